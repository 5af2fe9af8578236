/**
 * What listings show of the model's state, as lines.
 *
 * @module
 */

import { type Listing, lineOf } from './requests.ts'
import { type BucketState, byBytes, currentOf, objectOf, rolledUp, type Upload } from './state.ts'

/** Lines of a listing of a bucket, or of the parts of an upload. */
export function listed(state: BucketState, listing: Listing): string[]
export function listed(upload: Upload): string[]
export function listed(state: BucketState | Upload, listing?: Listing): string[] {
  if ('parts' in state) return partLines(state)
  if (listing === undefined) return []
  switch (listing.flavour) {
    case 'versions':
      return versionLines(state, listing)
    case 'uploads':
      return uploadLines(state, listing)
    default:
      return objectLines(state, listing)
  }
}

const prefixLines = (prefixes: readonly string[]): string[] => prefixes.map((prefix) => lineOf.prefix(prefix))

function objectLines(state: BucketState, listing: Listing): string[] {
  const { names, prefixes } = rolledUp(
    [...state.names.keys()].filter((name) => objectOf(state, name)),
    listing,
  )
  const lines = names.map((name) => {
    const object = currentOf(state, name)
    return lineOf.object(name, object?.etag ?? '', object?.content.length ?? 0)
  })
  return [...lines, ...prefixLines(prefixes)]
}

function versionLines(state: BucketState, listing: Listing): string[] {
  const { names, prefixes } = rolledUp([...state.names.keys()], listing)
  const lines = names.flatMap((name) =>
    (state.names.get(name) ?? []).map(({ id, etag, content, isMarker }, index) => {
      const flags = `${isMarker ? 'marker' : 'object'}${index === 0 ? ' latest' : ''}`
      return lineOf.version(name, id, etag, content.length, flags)
    }),
  )
  return [...lines, ...prefixLines(prefixes)]
}

function uploadLines(state: BucketState, listing: Listing): string[] {
  const uploads = [...state.uploads.values()]
  const { names, prefixes } = rolledUp([...new Set(uploads.map(({ name }) => name))], listing)
  const lines = names.flatMap((name) => {
    const own = uploads.filter((upload) => upload.name === name).sort((a, b) => byBytes(a.id, b.id))
    return own.map(({ id }) => lineOf.upload(name, id))
  })
  return [...lines, ...prefixLines(prefixes)]
}

function partLines({ parts }: Upload): string[] {
  return [...parts]
    .sort(([a], [b]) => a - b)
    .map(([number, { etag, content }]) => lineOf.part(number, etag, content.length))
}
