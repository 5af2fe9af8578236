/**
 * What a setting can be: each kind names its form for the reference and turns text (environment, flags) or a YAML scalar
 * into a value, with one clear message when it cannot.
 *
 * @module
 */
import { isIP } from 'node:net'
import * as z from 'zod'

export interface SettingKind<T> {
  /** For the reference: what a person may write. */
  readonly form: string
  /** Takes text or a YAML scalar or list. */
  readonly schema: z.ZodType<T>
  /** A flag without a value means `true`. */
  readonly isSwitch?: boolean
}

/** Where to listen; `host` empty: all interfaces. Port 0: any free one. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

const scalar = z
  .union([z.string(), z.number(), z.boolean()], { error: 'expected one value, not a list or a group' })
  .transform(String)

/** A kind whose values are read from text by `parse`, which returns undefined for what it does not understand. */
function textKind<T>(form: string, parse: (text: string) => T | undefined): SettingKind<T> {
  return {
    form,
    schema: scalar.transform((text, context): T => {
      const value = parse(text.trim())
      if (value !== undefined) return value
      context.issues.push({ code: 'custom', message: `expected ${form}`, input: text })
      return z.NEVER
    }),
  }
}

function listKind<T>(form: string, parse: (text: string) => T | undefined): SettingKind<readonly T[]> {
  return {
    form,
    schema: z.union([z.array(scalar), scalar.transform((text) => text.split(','))]).transform((items, context) => {
      const texts = items.map((item) => item.trim()).filter((item) => item !== '')
      const values = texts.map(parse).filter((value) => value !== undefined)
      if (values.length === texts.length) return values
      context.issues.push({ code: 'custom', message: `expected ${form}`, input: items })
      return z.NEVER
    }),
  }
}

const parsePort = (text: string): number | undefined => {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  return port <= 65_535 ? port : undefined
}

const parseAddress = (text: string): ListenAddress | undefined => {
  const colon = text.lastIndexOf(':')
  const port = parsePort(text.slice(colon + 1))
  if (colon < 0 || port === undefined) return undefined
  const bare = text.slice(0, colon)
  const host = /^\[.*\]$/.test(bare) ? bare.slice(1, -1) : bare
  if (bare !== host && isIP(host) !== 6) return undefined
  if (bare === host && /[^A-Za-z0-9.-]/.test(host)) return undefined
  return { host, port }
}

const milliseconds: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

const parseDuration = (text: string): number | undefined => {
  const [, count, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? []
  return count === undefined || unit === undefined ? undefined : Number(count) * (milliseconds[unit] ?? Number.NaN)
}

const parseSwitch = (text: string): boolean | undefined =>
  ({ true: true, on: true, yes: true, false: false, off: false, no: false })[text.toLowerCase()]

const parseNetwork = (text: string): string | undefined => {
  const [address = '', prefix, ...more] = text.split('/')
  const version = isIP(address)
  if (version === 0 || more.length > 0) return undefined
  if (prefix === undefined) return text
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128) ? text : undefined
}

const parseDomain = (text: string): string | undefined =>
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/i.test(text)
    ? text.toLowerCase()
    : undefined

const nonEmpty = (text: string): string | undefined => (text === '' || text.includes('\0') ? undefined : text)

/** Of a medium: `auto`, or bytes or a share of its size, from 0 to 1. */
export type FreeSpace = 'auto' | { readonly bytes: number } | { readonly share: number }

const sizeUnits: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }

const parseFreeSpace = (text: string): FreeSpace | undefined => {
  if (text === 'auto') return 'auto'
  const [, count = '', unit = ''] = /^(\d{1,6}(?:\.\d{1,3})?)([KMGT]iB|%)?$/.exec(text) ?? []
  if (count === '') return undefined
  if (unit === '%') return Number(count) < 100 ? { share: Number(count) / 100 } : undefined
  if (unit === '') return Number(count) === 0 ? { bytes: 0 } : undefined
  return { bytes: Math.floor(Number(count) * (sizeUnits[unit] ?? Number.NaN)) }
}

/** What it is exactly is for whoever connects to say. */
const parseServer = (text: string): string | undefined =>
  /^(?:https?:\/\/)?[^\s/,@?#]+\/?$/.test(text) ? text : undefined

export const kinds = {
  text: textKind('text', nonEmpty),
  path: textKind('a path', nonEmpty),
  address: textKind<ListenAddress>('`host:port`, `:port` or `[ipv6]:port`', parseAddress),
  domains: listKind('domain names', parseDomain),
  servers: listKind('addresses such as `https://kes.example:7373`; `{1...4}` stands for a range', parseServer),
  networks: listKind('addresses or networks such as `10.0.0.0/8`', parseNetwork),
  durationMs: textKind('a duration such as `500ms`, `30s`, `5m`', parseDuration),
  freeSpace: textKind<FreeSpace>('`auto`, a size such as `500MiB`, a share such as `2%`, or `0`', parseFreeSpace),
  isOn: { ...textKind('`on` or `off`', parseSwitch), isSwitch: true },
} as const

/** One of some words. */
export const choice = <const T extends string>(...words: readonly T[]): SettingKind<T> =>
  textKind(words.map((word) => `\`${word}\``).join(' or '), (text) => words.find((word) => word === text))

/** A whole number within limits. */
export const count = (least: number, most: number): SettingKind<number> =>
  textKind(`a whole number from ${least} to ${most}`, (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    return value >= least && value <= most ? value : undefined
  })

/** Text of a certain form. */
export const textLike = (form: string, pattern: RegExp): SettingKind<string> =>
  textKind(form, (text) => (pattern.test(text) ? text : undefined))
