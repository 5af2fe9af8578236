/**
 * Settings from file, MinIO environment, environment and flags, the later ones winning: parsed and validated once, here.
 *
 * @module
 */
import type * as z from 'zod'
import { ServerError } from '../server-error.ts'
import type { RawSetting } from './raw-setting.ts'
import { type Environment, readEnvironment } from './read-environment.ts'
import { readFlags } from './read-flags.ts'
import { type ReadTextFile, readMinioEnvironment } from './read-minio-environment.ts'
import { readYaml } from './read-yaml.ts'
import { type SettingName, type Settings, settingNames, settingTable } from './setting-table.ts'

export interface SettingsSources {
  readonly args: readonly string[]
  readonly environment: Environment
  readonly readTextFile: ReadTextFile
  /** Defaults of the caller's own, as a person would write them. */
  readonly defaults?: Readonly<Partial<Record<SettingName, string>>>
}

export interface ResolvedSettings {
  readonly settings: Settings
  /** Who said so; a name that is missing here has its default. */
  readonly origins: ReadonlyMap<SettingName, string>
  /** What was found and has no meaning here. */
  readonly notices: readonly string[]
}

const ordinaryFile = 'strongroom.yaml'

/** @throws ServerError `invalid-settings`, with one line for each problem. */
export function resolveSettings({ args, environment, readTextFile, defaults = {} }: SettingsSources): ResolvedSettings {
  const flags = readFlags(args)
  const problems: string[] = []
  const file = flags.config ?? environment.STRONGROOM_CONFIG
  const text = readTextFile(file ?? ordinaryFile)
  if (file !== undefined && text === undefined) problems.push(`${file}: there is no such file`)
  const sources = [
    readYaml(text ?? '', file ?? ordinaryFile),
    readMinioEnvironment(environment, readTextFile),
    readEnvironment(environment),
    flags,
  ]
  problems.push(...sources.flatMap((source) => source.problems))

  const chosen = new Map<SettingName, RawSetting>()
  const values = new Map<SettingName, unknown>()
  for (const raw of sources.flatMap((source) => source.settings)) {
    const parsed = parse(raw)
    if (parsed.success) {
      values.set(raw.name, parsed.data)
      chosen.set(raw.name, raw)
    } else problems.push(complaint(raw, parsed.error))
  }
  for (const name of settingNames) {
    if (values.has(name)) continue
    const byDefault = defaults[name] ?? settingTable[name].default
    values.set(name, byDefault === undefined ? undefined : settingTable[name].kind.schema.parse(byDefault))
  }
  // Every name has a value of its own schema's type now; the map cannot say so to the compiler.
  const settings = Object.fromEntries(values) as unknown as Settings
  const origins = new Map([...chosen].map(([name, { where }]) => [name, where]))
  problems.push(...contradictions(settings, origins))
  if (problems.length > 0) throw new ServerError('invalid-settings', problems.join('\n'))
  return { settings, origins, notices: sources.flatMap((source) => source.notices) }
}

const parse = ({ name, value }: RawSetting) => settingTable[name].kind.schema.safeParse(value)

function complaint({ name, value, where }: RawSetting, error: z.ZodError): string {
  const shown = 'secret' in settingTable[name] ? '' : ` ${JSON.stringify(value)}`
  const reason = error.issues.map(({ message }) => message)[0] ?? 'is not understood'
  return `${where}: ${name}${shown}: ${reason.startsWith('Invalid') ? `expected ${settingTable[name].kind.form}` : reason}`
}

/** Settings that are each possible and together are not. */
function contradictions(settings: Settings, origins: ReadonlyMap<SettingName, string>): string[] {
  const found: string[] = []
  const where = (name: SettingName): string => origins.get(name) ?? name
  if ((settings.rootUser === undefined) !== (settings.rootPassword === undefined)) {
    const [given, missing] =
      settings.rootUser === undefined
        ? (['rootPassword', 'rootUser'] as const)
        : (['rootUser', 'rootPassword'] as const)
    found.push(`${where(given)}: ${missing} is missing: the two are set together or not at all`)
  }
  const rootKeys = (['rootKeyFile', 'rootKeyPassphraseFile', 'rootKeyCredential'] as const).filter(
    (name) => settings[name] !== undefined,
  )
  if (rootKeys.length > 1) found.push(`${rootKeys.map(where).join(', ')}: the root key has one source, not several`)
  const { address, plaintextAddress } = settings
  if (
    plaintextAddress !== undefined &&
    plaintextAddress.port !== 0 &&
    plaintextAddress.port === address.port &&
    plaintextAddress.host === address.host
  ) {
    found.push(`${where('plaintextAddress')}: the TLS listener is on this address`)
  }
  if (
    settings.staticKey !== undefined &&
    origins.has('defaultKey') &&
    !settings.staticKey.startsWith(`${settings.defaultKey}:`)
  ) {
    found.push(`${where('staticKey')}: names another key than ${where('defaultKey')}`)
  }
  found.push(...keyServiceContradictions(settings, where))
  return found
}

const kesCredentials = ['kesApiKey', 'kesCertFile', 'kesKeyFile', 'kesKeyPassword', 'kesCa'] as const

/** Keys are in one place, and there is one way to show who this server is. */
function keyServiceContradictions(settings: Settings, where: (name: SettingName) => string): string[] {
  const isSet = (name: SettingName): boolean => settings[name] !== undefined
  if (settings.kesEndpoints.length === 0) {
    const alone = kesCredentials.filter(isSet)
    return alone.length === 0 ? [] : [`${alone.map(where).join(', ')}: no KES server is named: kesEndpoints is missing`]
  }
  const found: string[] = []
  for (const other of ['keyStore', 'staticKey'] as const) {
    if (isSet(other))
      found.push(`${where(other)}: keys are in the KES servers of ${where('kesEndpoints')}: one or the other`)
  }
  const hasPair = isSet('kesCertFile') || isSet('kesKeyFile')
  if (isSet('kesApiKey') && hasPair) {
    found.push(`${where('kesApiKey')}: an API key or a client certificate, not both`)
  } else if (hasPair && !(isSet('kesCertFile') && isSet('kesKeyFile'))) {
    found.push(`${where('kesEndpoints')}: kesCertFile and kesKeyFile are set together`)
  } else if (!hasPair && !isSet('kesApiKey')) {
    found.push(`${where('kesEndpoints')}: kesApiKey is missing, or kesCertFile and kesKeyFile`)
  }
  return found
}
