export type SecretReference = { kind: 'secrets' | 'containers' | null; id: string }

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const reference = new RegExp(`^(?:.*/(secrets|containers)/)?(${UUID})/?$`, 'i')

/**
 * What a reference names: of the URL only the kind and the id count, whatever host it speaks of; an id alone has no kind. Null when it is none.
 */
export function parseReference(text: string): SecretReference | null {
  const [, kind, id] = reference.exec(text) ?? []
  if (id === undefined) return null
  return { kind: kind === undefined ? null : (kind.toLowerCase() as 'secrets' | 'containers'), id: id.toLowerCase() }
}
