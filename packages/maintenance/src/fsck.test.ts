import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { populate } from './populate.fixture.ts'
import { partBytes, TestDeployment } from './test-deployment.fixture.ts'

let test: TestDeployment

beforeEach(async () => {
  test = await TestDeployment.open()
})

afterEach(() => test.close())

describe('fsck', () => {
  it('finds nothing in an empty deployment', async () => {
    const report = await test.fsck({ verifyData: true })
    expect(report).toMatchObject({ findings: [], unrepaired: 0, withheld: 0, omitted: 0, skipped: [] })
  })

  it('finds nothing where nothing is wrong, however often the records are gone over', async () => {
    const { versioned } = await populate(test)
    await test.multipart(versioned, 'two-parts', { mode: 'sse-kms' }, [partBytes, 100])
    for (const referencesPerPass of [1_000, 3]) {
      const report = await test.fsck({ verifyData: true, referencesPerPass })
      expect(report.findings).toEqual([])
      expect(report).toMatchObject({ unrepaired: 0, withheld: 0, omitted: 0 })
    }
  })

  it('changes nothing where nothing is wrong', async () => {
    await populate(test)
    const { commits } = test.metadata.stats()
    await test.fsck({ repair: true, verifyData: true })
    expect(test.metadata.stats().commits).toBe(commits)
  })
})
