"""The local stack: everything that template.yaml runs on AWS, on one machine.

Read `commands` for what it does, `stack` for what is started in which order, and then the part you are after:

    cloudformation  the one reader of template.yaml, also for the checks in deployment/
    template    what is taken from it: tables, topics, queues, functions and their environment
    emulator    MiniStack, which stands in for DynamoDB, SNS and SQS
    router      cargo-lambda, which stands in for API Gateway and the Lambda service
    functions   the functions themselves: built, started, listened to
    samples     plays events/ and compares with events/expected.json
    show        the lines that a person reads
    processes   starting and ending programs
"""
