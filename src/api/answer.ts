/** What a route answers when all is well, said once: the API's description, its clients and the tests of real answers read it. */
import { type TObject, type TSchema, Type } from 'typebox'

export interface Answer {
  readonly status: 200 | 201 | 202 | 204
  /** The whole body, with the key the object stands under; undefined: there is none. */
  readonly body?: TObject
  /** Text instead, line by line. */
  readonly isText?: true
  /** Of a list: what it can be filtered and sorted by. */
  readonly listed?: Listed
}

/** The part of a `ListSpec` that a request may name. */
export interface Listed {
  readonly columns: readonly string[]
  readonly aliases?: Readonly<Record<string, string>>
  readonly filters?: Readonly<Record<string, unknown>>
}

/** 200 with one object. */
export const shows = (key: string, schema: TSchema): Answer => ({ status: 200, body: Type.Object({ [key]: schema }) })

/** 200 with lines of text, which may go on coming. */
export const tellsLines: Answer = { status: 200, isText: true }

/** 201 with the object that was made. */
export const creates = (key: string, schema: TSchema): Answer => ({ status: 201, body: Type.Object({ [key]: schema }) })

/** 202 with an object. */
export const accepts = (key: string, schema: TSchema): Answer => ({ status: 202, body: Type.Object({ [key]: schema }) })

/** 202 and no body. */
export const acceptsSilently: Answer = { status: 202 }

/** 204. */
export const deletes: Answer = { status: 204 }

/** 200 with a page of objects; `links` is the key of its links, null where the list has none. */
export function lists(key: string, schema: TSchema, listed: Listed, links: string | null = `${key}_links`): Answer {
  const page = links === null ? {} : { [links]: Type.Array(PageLink) }
  return { status: 200, body: Type.Object({ [key]: Type.Array(schema), ...page }), listed }
}

const PageLink = Type.Object(
  { rel: Type.Unsafe<'next' | 'previous'>({ enum: ['next', 'previous'] }), href: Type.String() },
  { title: 'PageLink' },
)
