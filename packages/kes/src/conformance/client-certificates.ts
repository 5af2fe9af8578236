/**
 * The client certificates of the recording, made anew from the same keys (testdata/kes/identities.json).
 *
 * @module
 */
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, webcrypto } from 'node:crypto'
import { identityOfPublicKey, privateKeyOfSeed } from '../client/api-key.ts'

/** What a TLS client shows. */
export interface ClientCertificate {
  /** PEM, the leaf first. */
  readonly cert: string
  readonly key: string
}

/** All of them, and the root that the server is told to trust. `none` is not among them. */
export interface ClientCertificates {
  readonly byName: ReadonlyMap<string, ClientCertificate>
  readonly rootPem: string
}

interface Made {
  readonly pem: string
  readonly key: KeyObject
}

type Usage = 'client' | 'server'

interface Plan {
  readonly key: KeyObject
  /** Issued by the root instead of by itself. */
  readonly isIssued?: boolean
  readonly usage?: Usage
  /** `undefined`: no basicConstraints. */
  readonly isAuthority?: boolean | undefined
  readonly isExpired?: boolean
}

const day = 86_400_000

function seed(first: number): KeyObject {
  return privateKeyOfSeed(Uint8Array.from({ length: 32 }, (_, at) => first + at))
}

/** SEC1 of the private scalar 1 on P-256, in PKCS#8. */
function smallestEcKey(): KeyObject {
  const head = '3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420'
  const der = Buffer.concat([Buffer.from(head, 'hex'), Buffer.alloc(31), Buffer.from([1])])
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
}

async function newKey(algorithm: 'RSA' | 'EC'): Promise<KeyObject> {
  const pair = await webcrypto.subtle.generateKey(
    algorithm === 'EC'
      ? { name: 'ECDSA', namedCurve: 'P-256' }
      : { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1), hash: 'SHA-256' },
    true,
    ['sign', 'verify'],
  )
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', pair.privateKey))
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
}

/** Makes them. Takes about a second, most of it for the library and one RSA key. */
export async function makeClientCertificates(): Promise<ClientCertificates> {
  const root: Plan = { key: await newKey('EC'), isAuthority: true }
  const own = (first: number): Plan => ({ key: seed(first), usage: 'client', isAuthority: false })
  const plans: Readonly<Record<string, Plan>> = {
    admin: own(0),
    user: own(0x20),
    nopolicy: own(0x40),
    stranger: own(0x60),
    self: own(0x80),
    ca: { key: seed(0xa0), isAuthority: true },
    nobc: { key: seed(0xc0) },
    issued: { ...own(0xd0), isIssued: true },
    issued_exp: { ...own(0xd8), isIssued: true, isExpired: true },
    issued_srv: { ...own(0xdc), isIssued: true, usage: 'server' },
    ec: { key: smallestEcKey(), usage: 'server', isAuthority: false, isExpired: true },
    rsa: { key: await newKey('RSA'), usage: 'client', isAuthority: false },
    root,
  }
  const made = new Map<string, Made>()
  for (const [name, plan] of Object.entries(plans)) {
    made.set(name, { key: plan.key, pem: await makeOne(plan, plan.isIssued === true ? root.key : plan.key) })
  }
  // The public key of the admin under the signature of somebody else.
  const forged = await makeOne(own(0), seed(0x11))
  made.set('forged', { key: seed(0), pem: forged })
  const chains: Readonly<Record<string, readonly string[]>> = {
    two: ['user', 'admin'],
    dup: ['user', 'user'],
    leafca: ['user', 'ca'],
    caleaf_admin: ['ca', 'admin'],
    caleaf_forged: ['ca', 'forged'],
    ca_forged_leaf: ['forged'],
  }
  const byName = new Map<string, ClientCertificate>()
  const chain = (names: readonly string[]): ClientCertificate => ({
    cert: names.map((name) => made.get(name)?.pem ?? '').join('\n'),
    key:
      made
        .get(names[0] ?? '')
        ?.key.export({ type: 'pkcs8', format: 'pem' })
        .toString() ?? '',
  })
  for (const name of Object.keys(plans)) byName.set(name, chain([name]))
  for (const [name, names] of Object.entries(chains)) byName.set(name, chain(names))
  return { byName, rootPem: made.get('root')?.pem ?? '' }
}

function signing(key: KeyObject): { readonly name: string; readonly namedCurve?: string; readonly hash?: string } {
  if (key.asymmetricKeyType === 'ed25519') return { name: 'Ed25519' }
  if (key.asymmetricKeyType === 'ec') return { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
}

async function makeOne({ key, isIssued, usage, isAuthority, isExpired }: Plan, signer: KeyObject): Promise<string> {
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
  const publicKey = await webcrypto.subtle.importKey('spki', spki, signing(key), true, ['verify'])
  const pkcs8 = signer.export({ type: 'pkcs8', format: 'der' })
  const signingKey = await webcrypto.subtle.importKey('pkcs8', pkcs8, signing(signer), false, ['sign'])
  const now = Math.floor(Date.now() / 1_000) * 1_000
  const subject = `CN=${isAuthority === true && usage === undefined && isIssued !== true ? 'test root ' : ''}${identityOfPublicKey(createPublicKey(key)).slice(0, 40)}`
  const issuer =
    isIssued === true ? `CN=test root ${identityOfPublicKey(createPublicKey(signer)).slice(0, 40)}` : subject
  const usages = { client: x509.ExtendedKeyUsage.clientAuth, server: x509.ExtendedKeyUsage.serverAuth }
  const certificate = await x509.X509CertificateGenerator.create(
    {
      subject,
      issuer,
      serialNumber: `01${Buffer.from(randomBytes(12)).toString('hex')}`,
      notBefore: new Date(now - 30 * day),
      notAfter: new Date(now + (isExpired === true ? -10 : 30) * day),
      publicKey,
      signingKey,
      signingAlgorithm: signing(signer),
      extensions: [
        ...(isAuthority === undefined ? [] : [new x509.BasicConstraintsExtension(isAuthority, undefined, true)]),
        ...(usage === undefined ? [] : [new x509.ExtendedKeyUsageExtension([usages[usage]])]),
      ],
    },
    webcrypto,
  )
  return certificate.toString('pem')
}
