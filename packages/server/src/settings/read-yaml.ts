/**
 * Settings from one YAML file: a flat list of names and values, and the group `kms`; every complaint names file and line.
 *
 * @module
 */
import { isMap, isScalar, isSeq, LineCounter, type Pair, parseDocument } from 'yaml'
import type { RawSetting, RawSettings } from './raw-setting.ts'
import { suggestion } from './raw-setting.ts'
import { isSettingName, type SettingName, settingNames } from './setting-table.ts'

/** The parser's own words, without the excerpt and the position that follow them. */
const withoutPlace = (message: string): string => message.split(/ at line \d+|\n/)[0] ?? message

/** Settings of a KES server in the group `kes` under `kms`. */
const kesNames: Readonly<Record<string, SettingName>> = {
  endpoints: 'kesEndpoints',
  apiKey: 'kesApiKey',
  certFile: 'kesCertFile',
  keyFile: 'kesKeyFile',
  keyPassword: 'kesKeyPassword',
  ca: 'kesCa',
}

/** What a group is read with. */
interface Group {
  readonly settings: RawSetting[]
  readonly problems: string[]
  readonly at: (offset: number | undefined) => string
}

const nameOf = ({ key }: Pair): string => (isScalar(key) ? String(key.value) : '')
const offsetOf = ({ key }: Pair): number | undefined => (isScalar(key) ? key.range?.[0] : undefined)

/** `kms`: a group `kes`, or a section `keystore`, which is read where the key store is opened. */
function readKms(pair: Pair, file: string, group: Group): void {
  for (const member of membersOf(pair, 'kms', group)) {
    const where = group.at(offsetOf(member))
    if (nameOf(member) === 'kes') readKes(member, group)
    else if (nameOf(member) === 'keystore') group.settings.push({ name: 'keyStore', value: file, where })
    else group.problems.push(`${where}: kms takes kes or keystore, not ${JSON.stringify(nameOf(member))}`)
  }
}

function readKes(pair: Pair, { settings, problems, at }: Group): void {
  for (const member of membersOf(pair, 'kms.kes', { settings, problems, at })) {
    const where = at(offsetOf(member))
    const text = nameOf(member)
    const name = Object.hasOwn(kesNames, text) ? kesNames[text] : undefined
    const value: unknown = isScalar(member.value)
      ? member.value.value
      : isSeq(member.value)
        ? member.value.toJSON()
        : null
    if (name === undefined) {
      problems.push(`${where}: unknown setting kms.kes.${text}${suggestion(text, Object.keys(kesNames))}`)
    } else if (value === null) problems.push(`${where}: kms.kes.${text} has no value`)
    else settings.push({ name, value, where })
  }
}

function membersOf(pair: Pair, name: string, { problems, at }: Group): readonly Pair[] {
  if (isMap(pair.value)) return pair.value.items
  problems.push(`${at(offsetOf(pair))}: ${name} is a group of settings`)
  return []
}

/** Reads the text of the file; `file` is its name as the person knows it. */
export function readYaml(text: string, file: string): RawSettings {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true })
  const at = (offset: number | undefined): string => `${file}:${lines.linePos(offset ?? 0).line}`
  const settings: RawSetting[] = []
  const problems = document.errors.map((error) => `${at(error.pos[0])}: ${withoutPlace(error.message)}`)
  if (problems.length > 0) return { settings, problems, notices: [] }
  if (document.contents === null) return { settings, problems, notices: [] }
  if (!isMap(document.contents)) {
    return {
      settings,
      problems: [`${at(document.contents.range?.[0])}: expected settings, as \`name: value\``],
      notices: [],
    }
  }
  for (const pair of document.contents.items) {
    const name = isScalar(pair.key) ? String(pair.key.value) : ''
    const where = at(isScalar(pair.key) ? pair.key.range?.[0] : undefined)
    if (name === 'kms') {
      readKms(pair, file, { settings, problems, at })
      continue
    }
    if (!isSettingName(name)) {
      problems.push(`${where}: unknown setting ${JSON.stringify(name)}${suggestion(name, settingNames)}`)
      continue
    }
    const value = document.toJS({ maxAliasCount: 10 })[name]
    if (value === null) problems.push(`${where}: ${name} has no value`)
    else settings.push({ name, value, where })
  }
  return { settings, problems, notices: [] }
}
