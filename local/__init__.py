"""The local stack: everything that template.yaml runs on AWS, on one machine.

Read `commands` for what it does, `stack` for what is started in which order, and then the part you are after:

    template    template.yaml -> tables, topics, queues, functions and their environment
    emulator    MiniStack, which stands in for DynamoDB, SNS and SQS
    router      cargo-lambda, which stands in for API Gateway and the Lambda service
    functions   the functions themselves: built, started, listened to
    samples     plays the cases and compares with what their tables say
    show        the lines that a person reads
    processes   starting and ending programs
"""
