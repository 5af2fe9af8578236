/**
 * Kills a server at chosen steps of an operation, or cuts its power there, and looks what the next start makes of it.
 *
 * @module
 */

import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { adminCall } from '../support/admin-socket.ts'
import { keyOne, sseC, sseKms } from '../support/encryption-headers.ts'
import { FaultServer, restoreAfterPowerLoss, type Survival } from '../support/fault-server.ts'
import {
  type CrashOperation,
  contentOf,
  plainBucket,
  type Site,
  sent,
  versionedBucket,
} from './crash-operations.fixture.ts'

/** How a process ends: killed with all that it wrote left to the kernel, or with all gone that was not synced. */
export type Ending = 'kill' | Survival

/** What one operation went through. */
export interface Outcome {
  readonly title: string
  readonly ending: Ending
  /** Steps that it takes, with what it does after its answer. */
  steps: number
  /** Times that the process was ended. */
  endings: number
  /** What the next start found: the state before, the one after, or a piece of each where that is allowed. */
  old: number
  new: number
  partial: number
  /** Of those: acknowledged before the end. */
  acknowledged: number
  /** Of those: ended after the operation, because the step did not come. */
  late: number
}

/** Objects that were acknowledged before anything else, in every mode, and must stay as they are. */
const kept: readonly (readonly [name: string, content: Buffer, headers: Record<string, string>])[] = [
  ['kept/small', contentOf(2_000, 11), {}],
  ['kept/large', contentOf(400_000, 12), sseKms()],
  ['kept/own-key', contentOf(100_000, 13), sseC(keyOne)],
]

/** A deployment that is crashed again and again. */
export class CrashCampaign {
  readonly #base: string
  readonly outcomes: Outcome[] = []
  #attempts = 0
  #server: FaultServer | undefined

  private constructor(base: string) {
    this.#base = base
  }

  static async begin(): Promise<CrashCampaign> {
    const campaign = new CrashCampaign(await mkdtemp(join(tmpdir(), 'strongroom-crash-')))
    const server = await campaign.#start()
    for (const bucket of [plainBucket, versionedBucket]) await server.client.send({ method: 'PUT', bucket })
    const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
    await server.client.send({ method: 'PUT', bucket: versionedBucket, query: { versioning: undefined }, body })
    for (const [name, content, headers] of kept) {
      await server.client.send({ method: 'PUT', bucket: plainBucket, name, headers, body: content })
    }
    return campaign
  }

  async end(): Promise<void> {
    await this.#server?.kill()
    await rm(this.#base, { recursive: true, force: true })
  }

  /** Ends the process at the steps that `choose` picks of 1 to the number of steps of the operation. */
  async run(operation: CrashOperation, ending: Ending, choose: (steps: number) => readonly number[]): Promise<Outcome> {
    const outcome: Outcome = {
      title: operation.title,
      ending,
      steps: 0,
      endings: 0,
      old: 0,
      new: 0,
      partial: 0,
      acknowledged: 0,
      late: 0,
    }
    this.outcomes.push(outcome)
    const [before, after, steps] = await this.#measure(operation)
    if (operation.isInvisible !== true) expect(before).not.toEqual(after)
    outcome.steps = steps
    for (const at of choose(steps)) await this.#crash(operation, { outcome, at, before, after })
    return outcome
  }

  get #data(): string {
    return join(this.#base, 'data')
  }

  async #start(): Promise<FaultServer> {
    this.#server = await FaultServer.start(this.#data)
    return this.#server
  }

  async #site(operation: CrashOperation): Promise<Site> {
    const server = this.#server ?? (await this.#start())
    this.#attempts += 1
    const site: Site = { server, data: this.#data, tag: `attempt-${this.#attempts}`, notes: new Map() }
    await operation.prepare(site)
    await settled(server)
    return site
  }

  /** The operation without a fault: what is visible before and after, and how many steps it takes. */
  async #measure(
    operation: CrashOperation,
  ): Promise<readonly [before: readonly string[], after: readonly string[], steps: number]> {
    const site = await this.#site(operation)
    const before = await operation.observe(site)
    await site.server.plan({ kind: 'count' })
    expect(await operation.act(site), operation.title).toBe(true)
    await settled(site.server)
    const { steps } = await site.server.plan({ kind: 'off' })
    return [before, await operation.observe(site), steps.length]
  }

  async #crash(
    operation: CrashOperation,
    {
      outcome,
      at,
      before,
      after,
    }: { outcome: Outcome; at: number; before: readonly string[]; after: readonly string[] },
  ): Promise<void> {
    const site = await this.#site(operation)
    const what = `${operation.title}, ${outcome.ending} at step ${at} of ${outcome.steps}`
    expect(await operation.observe(site), what).toEqual(before)
    const shadow = outcome.ending === 'kill' ? undefined : await mkdtemp(join(this.#base, 'shadow-'))
    await site.server.plan({ kind: 'kill', at, ...(shadow === undefined ? {} : { shadow }) })
    const isAcknowledged = await operation.act(site)
    // Some runs take a step less than the one that was counted: two commits of the background that became one.
    const hasDied = await Promise.race([site.server.program.exited().then(() => true), settled(site.server)])
    if (!hasDied) await site.server.program.kill()
    site.server.client.close()
    if (shadow !== undefined && outcome.ending !== 'kill') await this.#losePower(shadow, outcome.ending)
    outcome.endings += 1
    if (isAcknowledged) outcome.acknowledged += 1
    if (!hasDied) outcome.late += 1
    site.server = await this.#start()
    await this.#check(operation, { site, what, outcome, isAcknowledged, before, after })
  }

  async #losePower(shadow: string, survival: Survival): Promise<void> {
    const remains = join(this.#base, 'remains')
    await restoreAfterPowerLoss(this.#data, shadow, remains, survival)
    await rm(this.#data, { recursive: true })
    await rename(remains, this.#data)
    await rm(shadow, { recursive: true })
  }

  async #check(
    operation: CrashOperation,
    {
      site,
      what,
      outcome,
      isAcknowledged,
      before,
      after,
    }: {
      site: Site
      what: string
      outcome: Outcome
      isAcknowledged: boolean
      before: readonly string[]
      after: readonly string[]
    },
  ): Promise<void> {
    const found = await operation.observe(site)
    const verdict = judge(operation, found, before, after)
    expect(verdict, `${what}: ${found}`).not.toBe('wrong')
    if (isAcknowledged && operation.isInvisible !== true) expect(found, `${what}, acknowledged`).toEqual(after)
    if (verdict !== 'wrong') outcome[verdict] += 1
    for (const [name, content, headers] of kept) {
      const answer = await sent(site, { method: 'GET', bucket: plainBucket, name, headers: customerKeyOf(headers) })
      expect(answer.body.equals(content), `${what}: ${name}`).toBe(true)
    }
    await this.#expectClean(what)
    // Nothing of what was cut short stands in the way of doing it again.
    if (verdict === 'old' && operation.isHeld !== true && operation.isInvisible !== true) {
      expect(await operation.act(site), `${what}, again`).toBe(true)
      expect(await operation.observe(site), `${what}, again`).toEqual(after)
    }
  }

  async #expectClean(what: string): Promise<void> {
    const check = await adminCall(this.#data, 'fsck', { repair: false, verifyData: true })
    const report = Object(check?.result)
    expect(report.findings, what).toEqual([])
    expect(report, what).toMatchObject({ unrepaired: 0, withheld: 0 })
    expect(report.checked.blobsBeingWritten, what).toBeUndefined()
  }
}

const customerKeyOf = (headers: Record<string, string>): Record<string, string> =>
  'x-amz-server-side-encryption-customer-key' in headers ? headers : {}

export function judge(
  { isPiecewise, alsoAllowed = [] }: CrashOperation,
  found: readonly string[],
  before: readonly string[],
  after: readonly string[],
): 'old' | 'new' | 'partial' | 'wrong' {
  const text = found.join(',')
  if (text === after.join(',')) return 'new'
  if (text === before.join(',')) return 'old'
  if (alsoAllowed.includes(text)) return 'partial'
  const isPieces = found.length === after.length && found.every((line, i) => line === before[i] || line === after[i])
  return isPiecewise === true && isPieces ? 'partial' : 'wrong'
}

/** Waits until the server has nothing left to remove. Resolves to false, or to true if it has ended. */
export async function settled(server: FaultServer): Promise<boolean> {
  for (;;) {
    const answer = await server.tried({ method: 'GET', rawPath: '/strongroom/metrics', auth: 'none' })
    if (answer === undefined) {
      await server.program.exited()
      return true
    }
    const garbage = /^\w*garbage (\d+)/m.exec(answer.text)
    if (garbage === null) throw new Error('the metrics do not say what is to be removed')
    if (garbage[1] === '0') return false
  }
}
