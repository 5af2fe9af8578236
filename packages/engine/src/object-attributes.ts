/**
 * GetObjectAttributes (spec 1.6.4). The client's key is verified, as on AWS.
 *
 * @module
 */

import type { EngineContext } from './context.ts'
import type { Engine, ObjectAttributes, ObjectPart } from './contract.ts'
import { findReadable, objectHead, verifyCustomerKey } from './get-object.ts'
import type { PartTable } from './part-tables.ts'
import { visibleParts } from './read-plan.ts'
import { withSnapshot } from './with-snapshot.ts'

/** @throws EngineError as `headObject` */
export function getObjectAttributes(
  context: EngineContext,
  input: Parameters<Engine['getObjectAttributes']>[0],
): Promise<ObjectAttributes> {
  return withSnapshot(context, async (snapshot) => {
    const { record } = await findReadable(context, snapshot, input)
    await verifyCustomerKey(context, snapshot, input, record)
    const head = objectHead(input.bucket, input.name, record)
    const table = await visibleParts(context, snapshot, record)
    return table ? { head, parts: pageOfParts(table, input.partNumberMarker, input.maxParts) } : { head }
  })
}

function pageOfParts(table: PartTable, marker: number, maxParts: number): NonNullable<ObjectAttributes['parts']> {
  const rest = table.parts.filter(({ number }) => number > marker)
  const parts: ObjectPart[] = rest.slice(0, maxParts).map(({ number, sizeBytes, checksum }) => ({
    number,
    sizeBytes,
    ...(checksum ? { checksum: checksum.value } : undefined),
  }))
  return {
    total: table.parts.length,
    parts,
    truncated: rest.length > parts.length,
    nextMarker: parts.at(-1)?.number ?? marker,
  }
}
