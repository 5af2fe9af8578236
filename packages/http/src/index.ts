/**
 * The HTTP edge: a TLS listener with its own time-outs and limits, certificates, proxies, bodies, access log, metrics.
 *
 * @module
 */

export { Acceptor, type AcceptorOptions } from './acceptor.ts'
export { type AccessEntry, type AccessLog, createAccessLog, type LogStream, redactTarget } from './access-log.ts'
export { type BodyResponse, bodyChunks, readBody, type SendBodyOptions, sendBody } from './body.ts'
export { CertificateDirectory, type CertificateDirectoryOptions } from './certificate-directory.ts'
export { type CertificatePair, parseCertificatePair } from './certificate-pair.ts'
export { CertificateIndex, type CertificateSource } from './certificates.ts'
export type { Connection, PeerCertificate, TimeoutKind } from './connection.ts'
export type { DirectHandler } from './direct-exchange.ts'
export type { BegunRequest, DirectRequest, WholeRequest } from './direct-request.ts'
export type { DirectHeaders, DirectResponse } from './direct-response.ts'
export { HttpError, type HttpErrorCode } from './http-error.ts'
export type { ListenerLimits } from './limits.ts'
export { type Endpoint, Listener, type ListenerOptions, type ListenerStats, listen } from './listener.ts'
export {
  type BoundCounter,
  type BoundHistogram,
  type LabelValues,
  Metrics,
  type MetricsOptions,
  type MetricsSnapshot,
  mergeMetrics,
} from './metrics.ts'
export { type ClientFacts, TrustedProxies } from './proxies.ts'
export type { FormatRejection, RejectionAnswer, RejectionCode } from './rejections.ts'
export { createRequestIds, type RequestIds } from './request-ids.ts'
export type { Handler } from './request-pipeline.ts'
export type { ClientCertificateOptions } from './tls-gateway.ts'
