/**
 * Where packages of a release of Debian come from: where this machine's own do, if it runs that release, else Debian's own servers. By apt's two formats,
 * sources.list(5): a line each, or paragraphs of fields in files `.sources`.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readIfThere } from '../agent/files.ts'

export interface Mirrors {
  mirror: string
  securityMirror: string
}

interface Source {
  uris: string[]
  suites: string[]
  components: string[]
  signedBy: string
}

const debians: Mirrors = { mirror: 'http://deb.debian.org/debian', securityMirror: 'http://deb.debian.org/debian-security' }
/** What the image's packages are checked by. Others' archives, which may well call a suite as Debian does, have keys of their own. */
const DEBIANS_KEYS = /^(\/usr\/share\/keyrings\/debian-archive-[\w.-]+)?$/

/** `suite`: such as `bookworm`. `directory`: as /etc/apt. */
export function mirrorsFor(suite: string, directory = '/etc/apt'): Mirrors {
  const sources = sourcesIn(directory)
  const of = (wanted: string) =>
    sources
      .filter(({ suites, components, signedBy }) => suites.includes(wanted) && components.includes('main') && DEBIANS_KEYS.test(signedBy))
      .flatMap(({ uris }) => uris)
      // One with a password in it would be shown.
      .find((uri) => /^https?:\/\/[^\s@]+$/.test(uri))
      ?.replace(/\/+$/, '')
  return { mirror: of(suite) ?? debians.mirror, securityMirror: of(`${suite}-security`) ?? debians.securityMirror }
}

/** In apt's order. */
function sourcesIn(directory: string): Source[] {
  const parts = join(directory, 'sources.list.d')
  const names = readdirOrNothing(parts).sort()
  const files = [join(directory, 'sources.list'), ...names.map((name) => join(parts, name))]
  return files.flatMap((file) => {
    const text = readIfThere(file) ?? ''
    if (file.endsWith('.list')) return text.split('\n').flatMap(sourceOfLine)
    return file.endsWith('.sources') ? text.split(/\n\s*\n/).flatMap(sourceOfParagraph) : []
  })
}

function sourceOfLine(line: string): Source[] {
  const [, options = '', rest] = /^deb\s+(?:\[(.*?)\]\s+)?(\S.*?)\s*(?:#.*)?$/.exec(line.trim()) ?? []
  if (rest === undefined) return []
  const [uri, suite, ...components] = rest.split(/\s+/)
  return [{ uris: [uri!], suites: [suite ?? ''], components, signedBy: /signed-by=(\S+)/i.exec(options)?.[1] ?? '' }]
}

function sourceOfParagraph(paragraph: string): Source[] {
  const text = paragraph.replace(/^#.*\n?/gm, '').replace(/\n[ \t]+/g, ' ')
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, 'im').exec(text)?.[1]?.trim() ?? ''
  const words = (name: string) => field(name).split(/\s+/)
  if (!words('Types').includes('deb') || field('Enabled').toLowerCase() === 'no') return []
  return [{ uris: words('URIs'), suites: words('Suites'), components: words('Components'), signedBy: field('Signed-By') }]
}

function readdirOrNothing(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
