/** A configuration with the files it names, as they are on the disk: what HAProxy has read at some time, or would read now. */
import { md5, readIfThere } from './files.ts'
import { firstWord, isBackend, type Section, sectionsOf, wordsOf } from './haproxy-file.ts'

export type FileKind = 'crt' | 'crt-list' | 'ca-file' | 'crl-file'

export interface NamedFile {
  kind: FileKind
  /** Null for what is no file that can be read: a directory, or nothing. */
  md5: string | null
  /** Of a crt-list: its lines, which hold no secret. */
  lines?: string[]
}

export interface Snapshot {
  configuration: string
  /** By path. */
  files: Record<string, NamedFile>
}

export function takeSnapshot(configuration: string): Snapshot {
  const files: Record<string, NamedFile> = {}
  const add = (path: string, kind: FileKind) => {
    if (Object.hasOwn(files, path)) return
    const contents = read(path)
    files[path] = { kind, md5: contents === null ? null : md5(contents) }
    if (kind !== 'crt-list' || contents === null) return
    files[path].lines = linesOf(contents)
    for (const line of files[path].lines) add(firstWord(line), 'crt')
  }
  for (const [path, kind] of namedFiles(sectionsOf(configuration))) add(path, kind)
  return { configuration, files }
}

/** The files named by listeners and servers. */
function namedFiles(sections: Section[]): Map<string, FileKind> {
  const files = new Map<string, FileKind>()
  // A thousand members of a pool name the same files in the same words.
  const seen = new Set<string>()
  for (const section of sections) {
    if (!isBackend(section) && !section.head.startsWith('frontend')) continue
    for (const line of section.lines) {
      const start = line.search(/\s(?:crt|crt-list|ca-file|crl-file)\s/)
      if (start < 0) continue
      const tail = line.slice(start)
      if (seen.has(tail)) continue
      seen.add(tail)
      const words = wordsOf(tail) ?? []
      for (const [at, word] of words.entries()) if (isFileKind(word) && words[at + 1] !== undefined) files.set(words[at + 1]!, word)
    }
  }
  return files
}

function isFileKind(word: string): word is FileKind {
  return ['crt', 'crt-list', 'ca-file', 'crl-file'].includes(word)
}

/** The lines of a crt-list: a certificate's path, options in brackets, names. */
function linesOf(contents: string): string[] {
  return contents
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}

function read(path: string): string | null {
  try {
    return readIfThere(path)
  } catch {
    return null
  }
}
