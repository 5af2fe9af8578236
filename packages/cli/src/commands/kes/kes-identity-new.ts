/**
 * `strongroom kes identity new`: a new API key, with its private key and certificate as files where wanted.
 * kes-protocol 1.3, 13.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { access, open, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import type { Command } from 'commander'
import type { CommandContext } from '../../context.ts'
import { act, addKesCommand, type Invocation, optionalArgument, usageError } from './kes-command.ts'
import { KesCommandError } from './kes-command-error.ts'
import { goJson } from './kes-format.ts'

interface NewOptions {
  readonly json?: boolean
  readonly key?: string
  readonly cert?: string
  readonly ip?: readonly string[]
  readonly dns?: readonly string[]
  readonly expiry: string
  readonly force?: boolean
}

interface Made {
  readonly apiKey: string
  readonly identity: string
  readonly key?: string
  readonly cert?: string
}

const splitList = (value: string, before: readonly string[] = []): readonly string[] => [...before, ...value.split(',')]

export function addIdentityNew(group: Command, context: CommandContext): void {
  const command = addKesCommand(group, { word: 'new', summary: 'make an API key', usage: '[common name]' })
    .option('--key <file>', 'write the private key to this file')
    .option('--cert <file>', 'write the certificate to this file')
    .option('--ip <address>', 'an IP address for the certificate; may be repeated', splitList)
    .option('--dns <name>', 'a DNS name for the certificate; may be repeated', splitList)
    .option('--expiry <duration>', 'how long the certificate is valid', '720h')
    .option('-f, --force', 'overwrite existing files')
  act<NewOptions>(command, context, async (invocation) => {
    const { ports } = context
    const made = await make(invocation)
    const { apiKey, identity, key, cert } = made
    const json = {
      api_key: apiKey,
      identity,
      ...(key === undefined ? {} : { key }),
      ...(cert === undefined ? {} : { cert }),
    }
    ports.writeOut(invocation.options.json === true ? goJson(json) : describe(made))
  })
}

async function make(invocation: Invocation<NewOptions>): Promise<Made> {
  const { options, command } = invocation
  const commonName = optionalArgument(invocation, '')
  const kes = await import('@strongroom/kes')
  const validityMs = kes.parseGoDuration(options.expiry)
  if (validityMs === undefined || validityMs <= 0) throw usageError(command, `invalid expiry '${options.expiry}'`)
  const { ip = [], dns = [], key, cert } = options
  for (const address of ip) {
    if (isIP(address) === 0) throw usageError(command, `invalid IP address '${address}'`)
  }
  if (cert !== undefined && key === undefined) throw usageError(command, 'no private key file specified: --key')
  if (options.force !== true) await refuseExisting({ 'private key': key, certificate: cert })
  const seed = randomBytes(32)
  try {
    if (key !== undefined) {
      const pair = await kes.makeCertificate(seed, {
        names: [...dns, ...ip],
        isServer: true,
        validityMs,
        ...(commonName === '' ? {} : { commonName }),
      })
      await writeNew(key, pair.key, { mode: 0o600, what: 'private key', force: options.force === true })
      if (cert !== undefined) {
        await writeNew(cert, pair.cert, { mode: 0o644, what: 'certificate', force: options.force === true })
      }
    }
    const files = { ...(key === undefined ? {} : { key }), ...(cert === undefined ? {} : { cert }) }
    return { apiKey: kes.formatApiKey(seed), identity: kes.identityOfSeed(seed), ...files }
  } finally {
    seed.fill(0)
  }
}

/** Before the private key is written: half a pair is of no use. */
async function refuseExisting(files: Readonly<Record<string, string | undefined>>): Promise<void> {
  for (const [what, file] of Object.entries(files)) {
    if (file !== undefined && (await exists(file))) throw alreadyThere(what)
  }
}

const alreadyThere = (what: string, cause?: unknown): KesCommandError =>
  new KesCommandError(`${what} already exists. Use --force to overwrite it`, { cause })

async function exists(file: string): Promise<boolean> {
  try {
    await access(file)
    return true
  } catch {
    // Whatever else is wrong with it, writing will say.
    return false
  }
}

async function writeNew(
  file: string,
  text: string,
  { mode, what, force }: { readonly mode: number; readonly what: string; readonly force: boolean },
): Promise<void> {
  try {
    const handle = await open(file, force ? 'w' : 'wx', mode)
    try {
      // An existing file keeps its mode otherwise.
      await handle.chmod(mode)
      await writeFile(handle, text)
    } finally {
      await handle.close()
    }
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'EEXIST') throw alreadyThere(what, cause)
    throw new KesCommandError(`open ${file}: ${code === 'ENOENT' ? 'no such file or directory' : String(code)}`, {
      cause,
    })
  }
}

function describe({ apiKey, identity, key, cert }: Made): string {
  const files = [
    ...(key === undefined ? [] : [`The generated TLS private key is stored at: ${key}`]),
    ...(cert === undefined ? [] : [`The generated TLS certificate is stored at: ${cert}`]),
  ]
  const lines = [
    'Your API key:',
    '',
    `   ${apiKey}`,
    '',
    'This is the only time it is shown. Keep it secret and secure!',
    '',
    'Your Identity:',
    '',
    `   ${identity}`,
    '',
    'The identity is not a secret. It can be shared. Any peer',
    'needs this identity in order to verify your API key.',
    '',
    ...(files.length === 0 ? [] : [...files, '']),
    'The identity can be computed again via:',
    '',
    `    strongroom kes identity of ${apiKey}`,
    cert === undefined ? '' : `    strongroom kes identity of ${cert}`,
  ]
  return `${lines.join('\n')}\n`
}
