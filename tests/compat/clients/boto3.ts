/**
 * boto3: managed transfers, ranges, presigned addresses, pages and versions, under every encryption.
 *
 * @module
 */

import { expect } from 'vitest'
import type { Scenarios } from '../../support/client-server.ts'

const prelude = `
import boto3, io, os, ssl, urllib.request
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
s3 = boto3.client('s3', endpoint_url=os.environ['AWS_ENDPOINT_URL'], config=Config(signature_version='s3v4', s3={'addressing_style': 'path'}))
def content(name): return open('source/' + name, 'rb').read()
names = ('empty', 'small', 'large')
sse_c = {'SSECustomerAlgorithm': 'AES256', 'SSECustomerKey': open('../key', 'rb').read()}
modes = {
    'default': ({}, {}, ('AES256', None)),
    's3': ({'ServerSideEncryption': 'AES256'}, {}, ('AES256', None)),
    'kms': ({'ServerSideEncryption': 'aws:kms', 'SSEKMSEncryptionContext': 'eyJhIjoiYiJ9'}, {}, ('aws:kms', None)),
    'c': (sse_c, sse_c, (None, 'AES256')),
}
def shown(bucket, key, get):
    head = s3.head_object(Bucket=bucket, Key=key, **get)
    return head.get('ServerSideEncryption'), head.get('SSECustomerAlgorithm')
`

const programs: Readonly<Record<string, string>> = {
  'keeps objects with their metadata, in one piece': `
s3.create_bucket(Bucket='boto-put')
for mode, (put, get, encryption) in modes.items():
    for name in names:
        key = mode + '/' + name
        s3.put_object(Bucket='boto-put', Key=key, Body=content(name), Metadata={'mode': mode}, ContentType='text/x-test', **put)
        found = s3.get_object(Bucket='boto-put', Key=key, **get)
        assert found['Body'].read() == content(name), key
        assert found['Metadata'] == {'mode': mode} and found['ContentType'] == 'text/x-test', key
        assert shown('boto-put', key, get) == encryption, key
    part = s3.get_object(Bucket='boto-put', Key=mode + '/large', Range='bytes=65535-131072', **get)['Body'].read()
    assert part == content('large')[65535:131073], mode
`,
  'transfers in parts, many at a time, and copies so': `
s3.create_bucket(Bucket='boto-transfer')
config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20, max_concurrency=8)
for mode, (put, get, encryption) in modes.items():
    for name in names:
        key = mode + '/' + name
        s3.upload_file('source/' + name, 'boto-transfer', key, ExtraArgs=put, Config=config)
        s3.download_file('boto-transfer', key, 'back', ExtraArgs=get, Config=config)
        assert open('back', 'rb').read() == content(name), key
        assert shown('boto-transfer', key, get) == encryption, key
    s3.upload_fileobj(io.BytesIO(content('large')), 'boto-transfer', mode + '/stream', ExtraArgs=put, Config=config)
    sink = io.BytesIO()
    s3.download_fileobj('boto-transfer', mode + '/stream', sink, ExtraArgs=get, Config=config)
    assert sink.getvalue() == content('large'), mode
    if mode != 'c':
        s3.copy({'Bucket': 'boto-transfer', 'Key': mode + '/large'}, 'boto-transfer', mode + '/copy', ExtraArgs={'ServerSideEncryption': 'aws:kms'}, Config=config)
        assert s3.get_object(Bucket='boto-transfer', Key=mode + '/copy')['Body'].read() == content('large'), mode
        assert shown('boto-transfer', mode + '/copy', {})[0] == 'aws:kms', mode
`,
  'signs addresses for reading and writing': `
s3.create_bucket(Bucket='boto-signed')
context = ssl.create_default_context(cafile=os.environ['AWS_CA_BUNDLE'])
url = s3.generate_presigned_url('put_object', Params={'Bucket': 'boto-signed', 'Key': 'ü &+', 'ServerSideEncryption': 'aws:kms'})
request = urllib.request.Request(url, data=content('large'), method='PUT', headers={'x-amz-server-side-encryption': 'aws:kms', 'content-type': ''})
assert urllib.request.urlopen(request, context=context).status == 200
url = s3.generate_presigned_url('get_object', Params={'Bucket': 'boto-signed', 'Key': 'ü &+'})
assert urllib.request.urlopen(url, context=context).read() == content('large')
assert shown('boto-signed', 'ü &+', {})[0] == 'aws:kms'
`,
  'lists in pages, deletes many at once, and goes back to older versions': `
s3.create_bucket(Bucket='boto-list')
keys = sorted('a/%03d' % i for i in range(23))
for key in keys: s3.put_object(Bucket='boto-list', Key=key, Body=key.encode())
for operation in ('list_objects_v2', 'list_objects'):
    pages = s3.get_paginator(operation).paginate(Bucket='boto-list', PaginationConfig={'PageSize': 5})
    assert [o['Key'] for page in pages for o in page['Contents']] == keys, operation
s3.put_bucket_versioning(Bucket='boto-list', VersioningConfiguration={'Status': 'Enabled'})
first = s3.put_object(Bucket='boto-list', Key='v', Body=b'1', ServerSideEncryption='aws:kms')['VersionId']
second = s3.put_object(Bucket='boto-list', Key='v', Body=b'2')['VersionId']
assert s3.get_object(Bucket='boto-list', Key='v', VersionId=first)['Body'].read() == b'1'
marker = s3.delete_object(Bucket='boto-list', Key='v')['VersionId']
s3.delete_object(Bucket='boto-list', Key='v', VersionId=marker)
assert s3.get_object(Bucket='boto-list', Key='v')['Body'].read() == b'2'
pages = s3.get_paginator('list_object_versions').paginate(Bucket='boto-list', PaginationConfig={'PageSize': 7})
all = [{'Key': v['Key'], 'VersionId': v['VersionId']} for page in pages for v in page.get('Versions', []) + page.get('DeleteMarkers', [])]
assert len(all) == 25, all
gone = s3.delete_objects(Bucket='boto-list', Delete={'Objects': all})
assert len(gone['Deleted']) == 25 and 'Errors' not in gone
s3.delete_bucket(Bucket='boto-list')
`,
}

export const boto3: Scenarios = Object.fromEntries(
  Object.entries(programs).map(([title, program], index) => [
    title,
    async (server) => {
      const folder = await server.folder(`boto3 ${index}`, await server.variablesFor('aws'))
      await folder.write('test.py', `${prelude}${program}print('done')\n`)
      expect(await folder.shell('python3 test.py')).toBe('done\n')
    },
  ]),
)
