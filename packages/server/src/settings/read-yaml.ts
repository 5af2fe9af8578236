/**
 * Settings from one YAML file: a flat list of names and values; every complaint names file and line.
 *
 * @module
 */
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml'
import type { RawSetting, RawSettings } from './raw-setting.ts'
import { suggestion } from './raw-setting.ts'
import { isSettingName, settingNames } from './setting-table.ts'

/** The parser's own words, without the excerpt and the position that follow them. */
const withoutPlace = (message: string): string => message.split(/ at line \d+|\n/)[0] ?? message

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
