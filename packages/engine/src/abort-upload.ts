/**
 * AbortMultipartUpload (spec 1.6.10): ends an upload; its parts go soon after. Needs no key.
 *
 * @module
 */

import type { EngineContext } from './context.ts'
import type { UploadTarget } from './contract.ts'
import { endUpload, removeUpload } from './end-upload.ts'
import { uploadPlaceOf } from './upload-access.ts'

const noParts = new Uint8Array(0)

/** Aborts an upload. @throws EngineError `NoSuchUpload` */
export async function abortUpload(context: EngineContext, input: UploadTarget): Promise<void> {
  await endUpload(context, uploadPlaceOf(input), (ending) =>
    context.commits.run((snapshot, draft) => removeUpload(context, snapshot, draft, ending, noParts)),
  )
}
