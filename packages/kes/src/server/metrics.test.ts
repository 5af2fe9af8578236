import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { exchange } from '../conformance/wire-client.ts'
import { encodeFamilies, type Family, formatFamilies, mergeFamilies } from './metric-families.ts'
import { certificate, startTestServer } from './test-server.fixture.ts'

interface Row {
  readonly request: { readonly path: string }
  readonly response: { readonly status: number; readonly body?: string | null }
}

describe('metrics', () => {
  it('have every family of KES with its help and type, and ours beside them, each with one sample', async () => {
    const rows = JSON.parse(
      readFileSync(new URL('../../testdata/kes/wire.json', import.meta.url), 'utf8'),
    ) as readonly Row[]
    const recorded = rows.find(
      ({ request, response }) => request.path === '/v1/metrics' && response.body?.startsWith('#'),
    )
    const wanted = recorded?.response.body?.split('\n').filter((line) => line.startsWith('#')) ?? []
    expect(wanted).toHaveLength(26)
    const { send } = await startTestServer()
    await send('PUT', '/v1/key/create/k')
    await send('GET', '/v1/key/describe/nope')
    await send('PATCH', '/v1/key/describe/nope')
    await send('GET', '/v1/key/describe/k', undefined, 'stranger')
    const { body } = await send('GET', '/v1/metrics')
    const lines = body.split('\n')
    for (const line of wanted) expect(lines).toContain(line)
    expect(lines).toContain('kes_http_request_success{code="200"} 1')
    expect(lines).toContain('kes_http_request_error{code="404"} 1')
    expect(lines).toContain('kes_http_response_time_count 2')
    expect(lines).toContain('strongroom_kes_requests_refused_total 2')
    expect(lines).toContain('strongroom_kes_cache_misses_total 2')
    expect(lines).toContain('strongroom_kes_cache_load_failures_total 1')
    const names = lines.filter((line) => line.startsWith('# TYPE ')).map((line) => line.split(' ')[2])
    expect(names).toEqual([...names].sort())
    for (const name of names.filter((each) => each?.startsWith('strongroom_'))) {
      expect(lines.filter((line) => line.startsWith(`${name} `))).toHaveLength(1)
    }
  })

  it('count hits of the cache and name no key', async () => {
    const { send } = await startTestServer()
    await send('PUT', '/v1/key/create/a-telling-name')
    for (let at = 0; at < 3; at++) await send('POST', '/v1/key/generate/a-telling-name', {})
    const { body } = await send('GET', '/v1/metrics')
    expect(body).toContain('\nstrongroom_kes_cache_hits_total 3\n')
    expect(body).not.toContain('telling')
  })

  it('come as protobuf for those who ask', async () => {
    const { port } = await startTestServer()
    const accept =
      'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,text/plain;q=0.3'
    const answer = await exchange(
      { host: '127.0.0.1', port, certificate: await certificate('admin') },
      { method: 'GET', path: '/v1/metrics', headers: { Accept: accept }, body: undefined, isChunked: false },
    )
    expect(answer).toMatchObject({ status: 200, body: expect.stringContaining('kes_system_up_time') })
  })

  it('are written as Go writes them', () => {
    const families = [
      { name: 'a', help: 'A.', type: 'gauge', value: 4_072_776 },
      {
        name: 'b',
        help: 'B.',
        type: 'counter',
        codes: [
          [404, 2],
          [400, 1e7],
        ],
      },
      { name: 'c', help: 'C.', type: 'counter', codes: [] },
      { name: 'd', help: 'D.', type: 'histogram', histogram: { bounds: [0.01, 1], counts: [1, 0, 2], sum: 0.00005 } },
    ] as const
    expect(formatFamilies(families)).toBe(
      [
        '# HELP a A.\n# TYPE a gauge\na 4.072776e+06',
        '# HELP b B.\n# TYPE b counter\nb{code="400"} 1e+07\nb{code="404"} 2',
        '# HELP d D.\n# TYPE d histogram\nd_bucket{le="0.01"} 1\nd_bucket{le="1"} 1\nd_bucket{le="+Inf"} 3\nd_sum 5e-05\nd_count 3\n',
      ].join('\n'),
    )
    // One message: length, name = 1, help = 2, type = 3, metric = 4 { gauge = 2 { value = 1 } }.
    expect(Buffer.from(encodeFamilies([families[0]])).toString('hex')).toBe(
      `16${'0a0161'}${'1202412e'}${'1801'}${'220b'}${'1209'}09${doubleHex(4_072_776)}`,
    )
  })

  it('of several processes are added up, but for what is not a number of things', () => {
    const families = (up: number, code: number, reachable: number): readonly Family[] => [
      { name: 'uptime', help: '', type: 'gauge', value: up, ofMany: 'max' },
      { name: 'reachable', help: '', type: 'gauge', value: reachable, ofMany: 'min' },
      { name: 'calls', help: '', type: 'counter', value: up },
      {
        name: 'answers',
        help: '',
        type: 'counter',
        codes: [
          [200, 1],
          [code, 2],
        ],
      },
      { name: 'time', help: '', type: 'histogram', histogram: { bounds: [1], counts: [1, up], sum: up } },
    ]
    expect(mergeFamilies([families(5, 404, 1), families(7, 500, 1), families(6, 404, 0)])).toEqual([
      { name: 'uptime', help: '', type: 'gauge', value: 7, ofMany: 'max' },
      { name: 'reachable', help: '', type: 'gauge', value: 0, ofMany: 'min' },
      { name: 'calls', help: '', type: 'counter', value: 18 },
      {
        name: 'answers',
        help: '',
        type: 'counter',
        codes: [
          [200, 3],
          [404, 4],
          [500, 2],
        ],
      },
      { name: 'time', help: '', type: 'histogram', histogram: { bounds: [1], counts: [3, 18], sum: 18 } },
    ])
    expect(mergeFamilies([])).toEqual([])
  })
})

function doubleHex(value: number): string {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return bytes.toString('hex')
}
