/**
 * What opening one metadata record costs, form by form, and bulk AES-GCM and MD5: the figures of docs/adr/0001 and 0011.
 * `node bench/record-sealing.mjs`, or `bun bench/record-sealing.mjs`.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto'

const rounds = 200_000
const [key, body, tuple, nonce] = [32, 400, 60, 12].map((size) => randomBytes(size))
const bulk = randomBytes(65_536)

function seal(plaintext, aad) {
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad)
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return { ciphertext, tag: cipher.getAuthTag() }
}

function open({ ciphertext, tag }, aad, openingKey = key) {
  const decipher = createDecipheriv('aes-256-gcm', openingKey, nonce, { authTagLength: 16 })
  decipher.setAAD(aad).setAuthTag(tag)
  const plaintext = decipher.update(ciphertext)
  decipher.final()
  return plaintext
}

function microseconds(work) {
  for (let round = 0; round < rounds / 10; round++) work()
  const began = performance.now()
  for (let round = 0; round < rounds; round++) work()
  return `${(((performance.now() - began) * 1000) / rounds).toFixed(1)} us`
}

function gigabytesPerSecond(work) {
  const began = performance.now()
  let bytes = 0
  for (; performance.now() - began < 1000; bytes += bulk.length) work()
  return `${(bytes / 1e6 / (performance.now() - began)).toFixed(2)} GB/s`
}

const mac = () => createHmac('sha256', key).update(tuple).update(body).digest()
const record = seal(body, tuple)
const etag = seal(body.subarray(0, 16), tuple)
console.log(process.versions.bun === undefined ? `Node ${process.versions.node}` : `Bun ${process.versions.bun}`)
console.log(`MAC of a record alone                   ${microseconds(mac)}`)
console.log(`opening it whole                        ${microseconds(() => open(record, tuple))}`)
console.log(`MAC and opening a sealed entity tag     ${microseconds(() => mac() && open(etag, tuple))}`)
const derived = () => createHmac('sha256', key).update(nonce).digest()
console.log(`deriving a key for it and opening it    ${microseconds(() => derived() && open(record, tuple))}`)
console.log(`AES-256-GCM, 64 KiB                     ${gigabytesPerSecond(() => seal(bulk, tuple))}`)
console.log(
  `MD5, 64 KiB                             ${gigabytesPerSecond(() => createHash('md5').update(bulk).digest())}`,
)
