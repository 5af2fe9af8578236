/**
 * Metrics: what is counted, and that labels stay bounded.
 *
 * @module
 */

import { describe, expect, it } from 'vitest'
import { Metrics } from './metrics.ts'

const create = (): Metrics => new Metrics({ operations: ['GetObject', 'PutObject'], includeProcess: false })

describe('Metrics', () => {
  it('counts requests, bytes and latency by operation', async () => {
    const metrics = create()
    for (const status of [200, 200, 404]) {
      metrics.begin()
      metrics.end('GetObject', status, 0.002, 0, 100)
    }
    metrics.begin()
    const text = await metrics.text()
    expect(text).toContain('strongroom_requests_total{operation="GetObject",status="200"} 2')
    expect(text).toContain('strongroom_requests_total{operation="GetObject",status="404"} 1')
    expect(text).toContain('strongroom_sent_bytes_total{operation="GetObject"} 300')
    expect(text).toContain('strongroom_received_bytes_total{operation="PutObject"} 0')
    expect(text).toContain('strongroom_request_duration_seconds_bucket{le="0.0025",operation="GetObject"} 3')
    expect(text).toContain('strongroom_request_duration_seconds_bucket{le="0.001",operation="GetObject"} 0')
    expect(text).toContain('strongroom_requests_in_flight 1')
    expect(await metrics.text()).toBe(text)
    expect(metrics.contentType).toContain('text/plain')
  })

  it('counts what it does not know as other, whatever a client invents', async () => {
    const metrics = create()
    const calls = metrics.counter('kms_calls_total', 'Calls.', { operation: ['decrypt'], result: ['ok', 'error'] })
    for (let at = 0; at < 100; at += 1) {
      metrics.begin()
      metrics.end(`invented-${at}`, at * 1_000, 0, 0, 0)
      calls.inc(['decrypt', `invented-${at}`])
    }
    const text = await metrics.text()
    expect(text).not.toContain('invented')
    expect(text).toContain('strongroom_requests_total{operation="other",status="0"} 100')
    expect(text).toContain('strongroom_kms_calls_total{operation="decrypt",result="other"} 100')
  })

  it('shows a registered counter at zero before its first event', async () => {
    const metrics = create()
    const calls = metrics.counter('kms_calls_total', 'Calls.', { result: ['ok', 'error'] })
    calls.inc(['ok'], 3)
    const text = await metrics.text()
    expect(text).toContain('strongroom_kms_calls_total{result="ok"} 3')
    expect(text).toContain('strongroom_kms_calls_total{result="error"} 0')
  })

  it('asks gauges for their value at each reading, and keeps histograms', async () => {
    const metrics = create()
    let uploads = 1
    metrics.gauge('open_uploads', 'Uploads.', () => uploads)
    metrics.histogram('commit_seconds', 'Commits.', [0.1, 1], { result: ['ok'] }).observe(['ok'], 0.5)
    expect(await metrics.text()).toContain('strongroom_open_uploads 1')
    uploads = 2
    const text = await metrics.text()
    expect(text).toContain('strongroom_open_uploads 2')
    expect(text).toContain('strongroom_commit_seconds_bucket{le="1",result="ok"} 1')
  })

  it('adds the metrics of the process where wanted', async () => {
    expect(await new Metrics({ operations: [], prefix: 'x_' }).text()).toContain('process_cpu_seconds_total')
  })
})
