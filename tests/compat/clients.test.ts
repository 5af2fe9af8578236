/**
 * Real clients, set up by `strongroom env`, keep and read objects under every encryption that they know. A client that is
 * not installed has no test here; `npm test` names those it left out.
 *
 * @module
 */

import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ClientName, installedClients, shell } from '../support/clients.ts'
import { caOf, Program, run } from '../support/program.ts'

let base = ''
let data = ''
let server: Program
let awsVariables: Readonly<Record<string, string>> = {}

/** What `strongroom env --for …` prints for a shell, as variables. */
async function variablesFor(client: string): Promise<Record<string, string>> {
  const { out } = await run(['env', '--for', client, '--data', data])
  return Object.fromEntries(
    [...out.matchAll(/^export (\w+)='([^']*)'$/gm)].map(([, name = '', value = '']) => [name, value]),
  )
}

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'strongroom-clients-'))
  data = join(base, 'data')
  server = await Program.start({ data })
  awsVariables = await variablesFor('aws')
  await writeFile(join(base, 'small'), 'a small file\n')
  await writeFile(join(base, 'empty'), '')
  // Over every client's threshold for multipart uploads, and not a whole number of parts.
  await writeFile(join(base, 'large'), randomBytes(17 * 1024 * 1024 + 3))
  await writeFile(join(base, 'key'), Buffer.alloc(32, 5))
})

afterAll(async () => {
  await server?.stop()
  await rm(base, { recursive: true, force: true })
})

const folderOf = async (client: ClientName): Promise<string> => {
  const folder = join(base, client)
  await mkdir(folder)
  return folder
}

const sameContent = async (a: string, b: string): Promise<boolean> => {
  const [left, right] = await Promise.all([readFile(a), readFile(b)])
  return createHash('sha256').update(left).digest('hex') === createHash('sha256').update(right).digest('hex')
}

type ClientTest = () => Promise<void>

const awsTest: ClientTest = async () => {
  const directory = await folderOf('aws')
  const options = { directory, variables: awsVariables }
  const aws = 'aws --endpoint-url "$AWS_ENDPOINT_URL"'
  const modes = [
    ['default', '', ''],
    ['s3', '--sse AES256', ''],
    ['kms', '--sse aws:kms', ''],
    ['named', '--sse aws:kms --sse-kms-key-id strongroom-default', ''],
    ['c', '--sse-c AES256 --sse-c-key fileb://../key', '--sse-c AES256 --sse-c-key fileb://../key'],
  ] as const
  await shell(`${aws} s3 mb s3://aws-bucket; mkdir source; cp ../small ../large ../empty source`, options)
  for (const [mode, put, get] of modes) {
    const target = `s3://aws-bucket/${mode}`
    const copy = `${aws} s3 cp --quiet --recursive`
    await shell(`${copy} ${put} source ${target}; ${copy} ${get} ${target} back-${mode}`, options)
    for (const file of ['small', 'large', 'empty']) {
      expect(await sameContent(join(base, file), join(directory, `back-${mode}`, file)), `${mode} ${file}`).toBe(true)
    }
  }
  expect(await shell(`${aws} s3api head-object --bucket aws-bucket --key kms/large`, options)).toContain('"aws:kms"')
  const copy = `${aws} s3api copy-object --bucket aws-bucket --key copied --copy-source aws-bucket/kms/small --server-side-encryption AES256`
  expect(await shell(copy, options)).toContain('"AES256"')
  expect(await shell(`${aws} s3 ls --recursive s3://aws-bucket`, options)).toContain('kms/large')
  await shell(`${aws} s3 rm --quiet --recursive s3://aws-bucket; ${aws} s3 rb s3://aws-bucket`, options)
}

const boto3Test: ClientTest = async () => {
  const directory = await folderOf('boto3')
  const program = `
import boto3, os
from botocore.config import Config
s3 = boto3.client('s3', endpoint_url=os.environ['AWS_ENDPOINT_URL'], config=Config(signature_version='s3v4', s3={'addressing_style': 'path'}))
s3.create_bucket(Bucket='boto')
key = open('../key', 'rb').read()
sse_c = {'SSECustomerAlgorithm': 'AES256', 'SSECustomerKey': key}
modes = {
    'default': ({}, {}),
    's3': ({'ServerSideEncryption': 'AES256'}, {}),
    'kms': ({'ServerSideEncryption': 'aws:kms', 'SSEKMSEncryptionContext': 'eyJhIjoiYiJ9'}, {}),
    'c': (sse_c, sse_c),
}
for mode, (put, get) in modes.items():
    for name in ('small', 'empty'):
        body = open('../' + name, 'rb').read()
        s3.put_object(Bucket='boto', Key=mode + '/' + name, Body=body, Metadata={'mode': mode}, **put)
        found = s3.get_object(Bucket='boto', Key=mode + '/' + name, **get)
        assert found['Body'].read() == body and found['Metadata'] == {'mode': mode}, (mode, name)
    s3.upload_file('../large', 'boto', mode + '/large', ExtraArgs=put)
    s3.download_file('boto', mode + '/large', mode + '-large', ExtraArgs=get)
    assert open(mode + '-large', 'rb').read() == open('../large', 'rb').read(), mode
    part = s3.get_object(Bucket='boto', Key=mode + '/large', Range='bytes=65535-131072', **get)['Body'].read()
    assert part == open('../large', 'rb').read()[65535:131073], mode
url = s3.generate_presigned_url('get_object', Params={'Bucket': 'boto', 'Key': 'kms/small'})
import urllib.request, ssl
context = ssl.create_default_context(cafile=os.environ['AWS_CA_BUNDLE'])
assert urllib.request.urlopen(url, context=context).read() == open('../small', 'rb').read()
keys = [o['Key'] for page in s3.get_paginator('list_objects_v2').paginate(Bucket='boto', PaginationConfig={'PageSize': 5}) for o in page['Contents']]
assert keys == sorted(m + '/' + n for m in modes for n in ('small', 'empty', 'large')), keys
s3.delete_objects(Bucket='boto', Delete={'Objects': [{'Key': k} for k in keys]})
s3.delete_bucket(Bucket='boto')
print('done')
`
  await writeFile(join(directory, 'test.py'), program)
  expect(await shell('python3 test.py', { directory, variables: awsVariables })).toBe('done\n')
}

const s3cmdTest: ClientTest = async () => {
  const directory = await folderOf('s3cmd')
  await writeFile(join(directory, 'config'), (await run(['env', '--for', 's3cmd', '--data', data])).out)
  const options = { directory, variables: {} }
  const s3cmd = 's3cmd --config config --quiet'
  await shell(`${s3cmd} mb s3://s3cmd-bucket`, options)
  for (const [mode, flags] of [
    ['default', ''],
    ['s3', '--server-side-encryption'],
    ['kms', '--server-side-encryption --server-side-encryption-kms-id=strongroom-default'],
  ] as const) {
    for (const file of ['small', 'large', 'empty']) {
      const name = `s3://s3cmd-bucket/${mode}/${file}`
      await shell(`${s3cmd} put ${flags} ../${file} ${name}; ${s3cmd} get ${name} ${mode}-${file}`, options)
      expect(await sameContent(join(base, file), join(directory, `${mode}-${file}`)), `${mode} ${file}`).toBe(true)
    }
  }
  expect(await shell('s3cmd --config config ls --recursive s3://s3cmd-bucket', options)).toContain(
    's3://s3cmd-bucket/kms/large',
  )
  expect(await shell('s3cmd --config config info s3://s3cmd-bucket/kms/small', options)).toContain('aws:kms')
  await shell(`${s3cmd} del --recursive --force s3://s3cmd-bucket; ${s3cmd} rb s3://s3cmd-bucket`, options)
}

const rcloneTest: ClientTest = async () => {
  const directory = await folderOf('rclone')
  const options = { directory, variables: await variablesFor('rclone') }
  const rclone = 'rclone --config config'
  await shell('touch config; mkdir source; cp ../small ../large ../empty source', options)
  for (const [mode, flags] of [
    ['default', ''],
    ['s3', '--s3-server-side-encryption AES256'],
    ['kms', '--s3-server-side-encryption aws:kms --s3-sse-kms-key-id strongroom-default'],
  ] as const) {
    const target = `strongroom:rclone-bucket/${mode}`
    await shell(`${rclone} copy ${flags} source ${target}; ${rclone} copy ${target} back-${mode}`, options)
    for (const file of ['small', 'large', 'empty']) {
      expect(await sameContent(join(base, file), join(directory, `back-${mode}`, file)), `${mode} ${file}`).toBe(true)
    }
    // A second run finds nothing to do: sizes, times and sums are what it left there.
    expect(await shell(`${rclone} copy ${flags} --stats-one-line -v source ${target} 2>&1`, options)).not.toContain(
      'Copied',
    )
  }
  expect(await shell(`${rclone} lsf -R strongroom:rclone-bucket`, options)).toContain('kms/large\n')
  await shell(`${rclone} purge strongroom:rclone-bucket`, options)
}

const resticTest: ClientTest = async () => {
  const directory = await folderOf('restic')
  const variables = {
    ...(await variablesFor('restic')),
    RESTIC_PASSWORD: 'a password',
    RESTIC_CACHE_DIR: join(directory, 'cache'),
  }
  const options = { directory, variables }
  const restic = 'restic --quiet'
  await shell('mkdir source; cp ../small ../large ../empty source', options)
  await shell(
    `${restic} init; ${restic} backup source; ${restic} check --read-data; ${restic} restore latest --target back`,
    options,
  )
  for (const file of ['small', 'large', 'empty']) {
    expect(await sameContent(join(base, file), join(directory, 'back/source', file)), file).toBe(true)
  }
  await shell(`${restic} forget --keep-last 1 --prune`, options)
}

const tests: Readonly<Record<ClientName, ClientTest>> = {
  aws: awsTest,
  boto3: boto3Test,
  s3cmd: s3cmdTest,
  rclone: rcloneTest,
  restic: resticTest,
}

describe('clients', () => {
  it('are given a CA that signed the certificate', async () => {
    expect(await caOf(data)).toContain('BEGIN CERTIFICATE')
    expect(awsVariables.AWS_CA_BUNDLE).toBe(join(data, 'certs/ca.crt'))
  })

  it.each([...installedClients])('%s keeps and reads objects', async (client) => await tests[client](), 120_000)
})
