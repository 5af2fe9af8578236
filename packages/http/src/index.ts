/**
 * The HTTP edge: a TLS listener with its own time-outs and limits, certificates, proxies, bodies, access log, metrics.
 *
 * @module
 */

export { CertificateDirectory, type CertificateDirectoryOptions } from './certificate-directory.ts'
export { type CertificatePair, parseCertificatePair } from './certificate-pair.ts'
export { CertificateIndex, type CertificateSource } from './certificates.ts'
export type { Connection, PeerCertificate, TimeoutKind } from './connection.ts'
export { HttpError, type HttpErrorCode } from './http-error.ts'
export type { ListenerLimits } from './limits.ts'
export { type Endpoint, type Handler, Listener, type ListenerOptions, type ListenerStats, listen } from './listener.ts'
export type { FormatRejection, RejectionAnswer, RejectionCode } from './rejections.ts'
export type { ClientCertificateOptions } from './tls-gateway.ts'
