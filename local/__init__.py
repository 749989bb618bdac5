"""The local stack: everything that template.yaml runs on AWS, on one machine.

`commands` says what it does and `stack` what starts in which order. Then read the part that you are after:

    cloudformation  the one reader of template.yaml, also for the checks in deployment/
    template    what is taken from it: tables, topics, queues, functions and their environment
    emulator    MiniStack, which stands in for DynamoDB, SNS and SQS, or Amazon's DynamoDB Local
    router      cargo-lambda, which stands in for API Gateway and the Lambda service
    functions   the functions themselves: built, started, watched
    cases       plays target/cases and compares
    show        what a person reads
    processes   starting and ending programs
    aws         clients, of AWS or of the local stack
"""
