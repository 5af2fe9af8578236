/**
 * Settings from `STRONGROOM_*` variables. A variable of that form that is no setting stops the start.
 *
 * @module
 */
import type { RawSetting, RawSettings } from './raw-setting.ts'
import { suggestion } from './raw-setting.ts'
import { environmentNameOf, settingNames } from './setting-table.ts'

export type Environment = Readonly<Record<string, string | undefined>>

const namesByVariable = new Map(settingNames.map((name) => [environmentNameOf(name), name]))

/** Read by others: the file to read settings from; which runtime `npm start` uses; whether it makes the tree ready. */
const otherVariables: ReadonlySet<string> = new Set(['STRONGROOM_CONFIG', 'STRONGROOM_RUNTIME', 'STRONGROOM_SETUP'])

/** An empty variable counts as not set, as usual in service files and containers. */
export function readEnvironment(environment: Environment): RawSettings {
  const settings: RawSetting[] = []
  const problems: string[] = []
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith('STRONGROOM_') || otherVariables.has(variable)) continue
    const name = namesByVariable.get(variable)
    if (name === undefined) {
      problems.push(`${variable}: there is no such setting${suggestion(variable, [...namesByVariable.keys()])}`)
    } else if (value !== undefined && value !== '') {
      settings.push({ name, value, where: variable })
    }
  }
  return { settings, problems, notices: [] }
}
