/**
 * Fortanix Data Security Manager as far as a key store talks to it. Written from support.fortanix.com/apidocs (Keys:
 * ImportSobject, ExportSobject, GetSobject, ListSobjects, DeleteSobject) and kes-protocol 8.8.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import { bodyObject, type VendorAnswer, type VendorHandler, type VendorRequest } from './vendor-server.ts'

interface SecurityObject {
  readonly kid: string
  readonly value: string
  readonly groupId: string
  enabled: boolean
}

const text = (status: number, message: string): VendorAnswer => ({ status, text: message })

export class FortanixServer {
  readonly apiKey = 'ZGVtby1hcHA6ZGVtby1zZWNyZXQ='
  readonly objects = new Map<string, SecurityObject>()
  /** What this app may not do. */
  denies: (request: VendorRequest) => boolean = () => false
  /** Whether a page begins with the name given as its start. */
  startIsIncluded = false

  put(name: string, value: string, groupId = 'default'): void {
    this.objects.set(name, { kid: randomUUID(), value, groupId, enabled: true })
  }

  readonly handler: VendorHandler = (request) => {
    if (request.headers.authorization !== `Basic ${this.apiKey}`) return text(401, 'Invalid credentials')
    if (this.denies(request))
      return { status: 403, json: { message: 'Requested operation is not allowed for this key' } }
    const { method, path } = request
    if (method === 'GET' && path === '/crypto/v1/keys') return this.#list(request)
    if (method === 'PUT' && path === '/crypto/v1/keys') return this.#create(request)
    if (method === 'POST' && path === '/crypto/v1/keys/export') return this.#find(request, true)
    if (method === 'POST' && path === '/crypto/v1/keys/info') return this.#find(request, false)
    if (method === 'DELETE') return this.#delete(path.slice('/crypto/v1/keys/'.length))
    return text(404, 'Not found')
  }

  #create(request: VendorRequest): VendorAnswer {
    const { obj_type: type, name, key_ops: ops, value, enabled, group_id: group = 'default' } = bodyObject(request)
    const isExportable = Array.isArray(ops) && ops.includes('EXPORT') && ops.includes('APPMANAGEABLE')
    if (
      type !== 'OPAQUE' ||
      typeof name !== 'string' ||
      typeof value !== 'string' ||
      !isExportable ||
      enabled !== true
    ) {
      return { status: 400, json: { message: 'Invalid request' } }
    }
    if (this.objects.has(name)) return { status: 409, json: { message: 'sobject already exists' } }
    this.put(name, value, String(group))
    return { status: 201, json: this.#describe(name) }
  }

  #find(request: VendorRequest, withValue: boolean): VendorAnswer {
    const name = String(bodyObject(request).name)
    const found = this.objects.get(name)
    if (found === undefined) return { status: 404, json: { message: 'sobject does not exist' } }
    return { status: 200, json: { ...this.#describe(name), ...(withValue ? { value: found.value } : {}) } }
  }

  #delete(kid: string): VendorAnswer {
    for (const [name, object] of this.objects) {
      if (object.kid !== kid) continue
      this.objects.delete(name)
      return { status: 204 }
    }
    return { status: 404, json: { message: 'sobject does not exist' } }
  }

  #list({ query }: VendorRequest): VendorAnswer {
    const start = query.get('start')
    const limit = Number(query.get('limit') ?? 1_000)
    const isAfter = (name: string): boolean => start === null || (this.startIsIncluded ? name >= start : name > start)
    const names = [...this.objects.keys()].sort().filter(isAfter).slice(0, limit)
    return { status: 200, json: names.map((name) => this.#describe(name)) }
  }

  #describe(name: string): Readonly<Record<string, unknown>> {
    const object = this.objects.get(name)
    return { name, kid: object?.kid, group_id: object?.groupId, obj_type: 'OPAQUE', enabled: object?.enabled }
  }
}
