/** Whether this kernel forwards by IPVS, and there is the program that tells what it has forwarded. */
import { existsSync } from 'node:fs'
import { exec } from './exec.ts'

const TABLE = '/proc/net/ip_vs'
const PROGRAMS = ['/usr/sbin/ipvsadm', '/sbin/ipvsadm']

export function hasIpvs(): boolean {
  return existsSync(TABLE) && PROGRAMS.some((path) => existsSync(path))
}

/** Loads the module where the kernel has it as one and there is use for it. */
export async function loadIpvs(): Promise<boolean> {
  if (!existsSync(TABLE) && PROGRAMS.some((path) => existsSync(path))) {
    // No module, no program that loads it, no right to: then there is none.
    await exec('modprobe', ['--quiet', 'ip_vs']).catch(() => {})
  }
  return hasIpvs()
}
