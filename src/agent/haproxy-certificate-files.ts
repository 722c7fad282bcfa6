/** The certificate files of one HAProxy: of each that was replaced the old one is kept until HAProxy has taken the new one. */
import { existsSync, linkSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { readIfThere, writeAtomically } from './files.ts'
import { checkCertificateFile, type Material } from './haproxy-certificates.ts'
import type { NamedFile } from './haproxy-snapshot.ts'

const KEPT = '.kept'

export class CertificateFiles {
  private readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  /** Null where this is there already. Throws InvalidCertificate. */
  store(name: string, contents: Buffer): Material | null {
    const path = join(this.directory, name)
    const before = readIfThere(path)
    const text = contents.toString('utf8')
    if (text === before) return null
    const material = checkCertificateFile(text, before)
    if (before !== null && !existsSync(`${path}${KEPT}`)) linkSync(path, `${path}${KEPT}`)
    writeAtomically(path, contents, { mode: 0o600, sync: true })
    return material
  }

  remove(name: string): void {
    rmSync(join(this.directory, name), { force: true })
  }

  /** As HAProxy has them. */
  restore(): void {
    for (const path of this.paths().filter(isKept)) renameSync(path, path.slice(0, -KEPT.length))
  }

  /** HAProxy has taken `files`. What none of them is goes, unless it came after `sinceMs`: then it belongs to the next configuration. */
  removeStale(files: Record<string, NamedFile>, sinceMs: number): void {
    for (const path of this.paths()) if (isKept(path) || (!Object.hasOwn(files, path) && statSync(path).mtimeMs < sinceMs)) rmSync(path)
  }

  private paths(): string[] {
    return existsSync(this.directory) ? readdirSync(this.directory).map((name) => join(this.directory, name)) : []
  }
}

function isKept(path: string): boolean {
  return path.endsWith(KEPT)
}
