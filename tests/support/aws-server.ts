/**
 * AWS Secrets Manager as far as a key store talks to it, signatures included. Written from
 * docs.aws.amazon.com/secretsmanager/latest/apireference (CreateSecret, GetSecretValue, DescribeSecret, DeleteSecret,
 * RestoreSecret, ListSecrets, Common Errors), the Signature Version 4 documentation, and kes-protocol 8.5.
 *
 * @module
 */
import { createHash, createHmac } from 'node:crypto'
import { bodyObject, type VendorAnswer, type VendorHandler, type VendorRequest } from './vendor-server.ts'

const fail = (type: string, message: string, status = 400): VendorAnswer => ({
  status,
  json: { __type: type, message, Message: message },
})

interface Secret {
  readonly text: string | undefined
  /** Base64. */
  readonly binary: string | undefined
  readonly kmsKeyId: string | undefined
  /** Seconds since 1970, of a deletion that is scheduled. */
  deletedAt: number | undefined
}

const tolerance = 300_000

export class AwsServer {
  readonly region = 'eu-north-1'
  readonly accessKeyId = 'AKIAOFTHETEST'
  readonly secretAccessKey = 'secret-access-key-of-the-test'
  readonly secrets = new Map<string, Secret>()
  /** What this user may not do. */
  denies: (operation: string) => boolean = () => false
  /** How many more times a purged secret is still described. */
  purgeLag = 0
  /** How many more times the name of a purged secret is refused, when it is not described any more. */
  nameLag = 0
  readonly #lagging = new Map<string, number>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  put(name: string, text: string): void {
    this.secrets.set(name, { text, binary: undefined, kmsKeyId: undefined, deletedAt: undefined })
  }

  readonly handler: VendorHandler = (request) => {
    const problem = this.#signatureProblem(request)
    if (problem !== undefined) return fail('InvalidSignatureException', problem)
    const operation = String(request.headers['x-amz-target']).replace('secretsmanager.', '')
    if (this.denies(operation)) {
      const who = 'arn:aws:iam::123456789012:user/strongroom'
      return fail('AccessDeniedException', `User: ${who} is not authorized to perform: secretsmanager:${operation}`)
    }
    const input = bodyObject(request)
    if (operation === 'CreateSecret') return this.#create(input)
    if (operation === 'ListSecrets') return this.#list(input)
    const name = String(input.SecretId)
    const secret = this.secrets.get(name)
    if (operation === 'DescribeSecret') return this.#describe(name, secret)
    if (secret === undefined)
      return fail('ResourceNotFoundException', "Secrets Manager can't find the specified secret.")
    if (operation === 'GetSecretValue') return this.#get(name, secret)
    if (operation === 'DeleteSecret') return this.#delete(name, secret, input)
    if (operation === 'RestoreSecret') {
      secret.deletedAt = undefined
      return { status: 200, json: { Name: name } }
    }
    return fail('UnknownOperationException', 'no such operation')
  }

  #create({
    Name: name,
    SecretString: text,
    SecretBinary: binary,
    KmsKeyId: kmsKeyId,
    ClientRequestToken: token,
  }: Readonly<Record<string, unknown>>): VendorAnswer {
    const isValid = typeof name === 'string' && /^[\w/+=.@-]{1,512}$/.test(name)
    if (!isValid || (typeof text === 'string') === (typeof binary === 'string') || typeof token !== 'string') {
      return fail('ValidationException', 'invalid')
    }
    const before = this.secrets.get(name)
    if (before?.deletedAt !== undefined || this.#lagging.has(name) || (before === undefined && this.nameLag-- > 0)) {
      const message = "You can't create this secret because a secret with this name is already scheduled for deletion."
      return fail('InvalidRequestException', message)
    }
    if (before !== undefined)
      return fail('ResourceExistsException', `The operation failed because the secret ${name} already exists.`)
    this.secrets.set(name, {
      text: typeof text === 'string' ? text : undefined,
      binary: typeof binary === 'string' ? binary : undefined,
      kmsKeyId: typeof kmsKeyId === 'string' ? kmsKeyId : undefined,
      deletedAt: undefined,
    })
    return { status: 200, json: { Name: name, ARN: this.#arn(name), VersionId: token } }
  }

  #get(name: string, { text, binary, deletedAt }: Secret): VendorAnswer {
    if (deletedAt !== undefined) {
      const message = "You can't perform this operation on the secret because it was marked for deletion."
      return fail('InvalidRequestException', message)
    }
    return { status: 200, json: { Name: name, ARN: this.#arn(name), SecretString: text, SecretBinary: binary } }
  }

  #describe(name: string, secret: Secret | undefined): VendorAnswer {
    const lag = this.#lagging.get(name) ?? 0
    if (secret === undefined && lag === 0) {
      return fail('ResourceNotFoundException', "Secrets Manager can't find the specified secret.")
    }
    if (lag > 1) this.#lagging.set(name, lag - 1)
    else this.#lagging.delete(name)
    const deletedAt = secret === undefined ? this.#now() / 1_000 : secret.deletedAt
    return { status: 200, json: { Name: name, ARN: this.#arn(name), DeletedDate: deletedAt } }
  }

  #delete(name: string, secret: Secret, input: Readonly<Record<string, unknown>>): VendorAnswer {
    const { RecoveryWindowInDays: days, ForceDeleteWithoutRecovery: isForced } = input
    if (isForced === true) {
      if (days !== undefined) return fail('InvalidParameterException', 'both')
      this.secrets.delete(name)
      if (this.purgeLag > 0) this.#lagging.set(name, this.purgeLag)
      return { status: 200, json: { Name: name } }
    }
    if (typeof days !== 'number' || days < 7 || days > 30) return fail('InvalidParameterException', 'the window')
    if (secret.deletedAt !== undefined)
      return fail('InvalidRequestException', 'The secret was already marked for deletion.')
    secret.deletedAt = this.#now() / 1_000 + days * 86_400
    return { status: 200, json: { Name: name, DeletionDate: secret.deletedAt } }
  }

  #list({ MaxResults: size = 100, NextToken: token = '0' }: Readonly<Record<string, unknown>>): VendorAnswer {
    if (typeof size !== 'number' || size < 1 || size > 100) return fail('InvalidParameterException', 'MaxResults')
    const from = Number(token)
    const names = [...this.secrets].filter(([, { deletedAt }]) => deletedAt === undefined).map(([name]) => name)
    const next = from + size < names.length ? String(from + size) : undefined
    const page = names.slice(from, from + size).map((name) => ({ Name: name, ARN: this.#arn(name) }))
    return { status: 200, json: { SecretList: page, NextToken: next } }
  }

  #arn(name: string): string {
    return `arn:aws:secretsmanager:${this.region}:123456789012:secret:${name}-AbCdEf`
  }

  /** What is wrong with a signature; `undefined` when it is right. */
  #signatureProblem({ method, path, headers, body }: VendorRequest): string | undefined {
    const match =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/secretsmanager\/aws4_request, SignedHeaders=([^,]+), Signature=(\w+)$/.exec(
        headers.authorization ?? '',
      )
    if (match === null) return 'no signature'
    const [, id = '', day = '', region = '', signedHeaders = '', signature = ''] = match
    const time = String(headers['x-amz-date'])
    const at = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
    if (!(Math.abs(at - this.#now()) <= tolerance)) return `Signature expired: ${time} is now too far away`
    const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
    const lines = signedHeaders.split(';').map((name) => `${name}:${String(headers[name]).trim()}\n`)
    const canonical = [method, path, '', lines.join(''), signedHeaders, sha256(body)].join('\n')
    const toSign = ['AWS4-HMAC-SHA256', time, `${day}/${region}/secretsmanager/aws4_request`, sha256(canonical)].join(
      '\n',
    )
    const key = [day, region, 'secretsmanager', 'aws4_request'].reduce<Buffer>(
      (hmacKey, part) => createHmac('sha256', hmacKey).update(part).digest(),
      Buffer.from(`AWS4${this.secretAccessKey}`),
    )
    const isRight = createHmac('sha256', key).update(toSign).digest('hex') === signature
    return isRight && id === this.accessKeyId && region === this.region ? undefined : 'The request signature is wrong'
  }
}
