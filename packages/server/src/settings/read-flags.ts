/**
 * Settings from the command line of `strongroom server`: a flag per setting, and a directory as in `minio server DIR`.
 *
 * @module
 */
import { parseArgs } from 'node:util'
import type { RawSetting, RawSettings } from './raw-setting.ts'
import { suggestion } from './raw-setting.ts'
import { isPathOfMany } from './read-minio-environment.ts'
import { flagNameOf, type SettingName, settingNames, settingTable } from './setting-table.ts'

export interface ReadFlags extends RawSettings {
  /** `--config FILE`. */
  readonly config?: string
}

/** What `minio server` takes and what has no meaning here. */
const minioFlags: Readonly<Record<string, 'string' | 'boolean'>> = {
  'console-address': 'string',
  quiet: 'boolean',
  anonymous: 'boolean',
}

const namesByFlag = new Map(settingNames.map((name) => [flagNameOf(name), name]))

const isSwitch = (name: SettingName): boolean => 'isSwitch' in settingTable[name].kind

const knownFlags = [...namesByFlag.keys(), 'config', ...Object.keys(minioFlags)]

interface Token {
  readonly flag: string
  readonly value: string | undefined
}

export function readFlags(args: readonly string[]): ReadFlags {
  const settings: RawSetting[] = []
  const problems: string[] = []
  const notices: string[] = []
  let config: string | undefined

  const takeFlag = ({ flag, value }: Token): void => {
    const where = `--${flag}`
    const name = namesByFlag.get(flag)
    if (name !== undefined) {
      if (value !== undefined) settings.push({ name, value, where })
      else problems.push(`${where}: a value is missing`)
    } else if (flag === 'config') {
      if (value === undefined) problems.push(`${where}: a file is missing`)
      else config = value
    } else if (Object.hasOwn(minioFlags, flag)) notices.push(`${where} has no meaning here`)
    else problems.push(`${where}: there is no such flag${suggestion(flag, knownFlags)}`)
  }

  for (const token of tokensOf(args)) {
    if (typeof token !== 'string') takeFlag(token)
    else if (isPathOfMany(token) || settings.some(({ where }) => where === 'DIR')) {
      problems.push(
        `${token}: one data directory is expected: erasure coding over several drives or servers is not offered here`,
      )
    } else settings.push({ name: 'data', value: token, where: 'DIR' })
  }
  return { settings, problems, notices, ...(config === undefined ? {} : { config }) }
}

/** Flags with their values, and other words. `--no-x` is `--x off`; `-S DIR` is `--certs-dir DIR`; the last of two counts. */
function tokensOf(args: readonly string[]): (Token | string)[] {
  const takesNoValue = (flag: string): boolean => {
    const name = namesByFlag.get(flag)
    return name === undefined ? minioFlags[flag] === 'boolean' || !knownFlags.includes(flag) : isSwitch(name)
  }
  const { tokens } = parseArgs({
    args: [...args],
    options: {
      ...Object.fromEntries(
        knownFlags.map((flag) => [flag, { type: takesNoValue(flag) ? ('boolean' as const) : ('string' as const) }]),
      ),
      'certs-dir': { type: 'string', short: 'S' },
    },
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  return tokens.flatMap((token): (Token | string)[] => {
    if (token.kind === 'positional') return [token.value]
    if (token.kind === 'option-terminator') return []
    if (token.value !== undefined) return [{ flag: token.name, value: token.value }]
    const positive = token.name.startsWith('no-') ? token.name.slice(3) : undefined
    if (positive !== undefined && namesByFlag.has(positive)) return [{ flag: positive, value: 'off' }]
    const name = namesByFlag.get(token.name)
    return [{ flag: token.name, value: name !== undefined && isSwitch(name) ? 'on' : undefined }]
  })
}
