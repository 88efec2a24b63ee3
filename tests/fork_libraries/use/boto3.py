import boto3
from botocore.config import Config
client = boto3.client("s3", endpoint_url="http://127.0.0.1:%d" % SINK, region_name="eu-north-1",
                      aws_access_key_id="a", aws_secret_access_key="b",
                      config=Config(retries={"max_attempts": 0}))

def use():
    client.head_bucket(Bucket="used")
