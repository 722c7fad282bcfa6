/**
 * Checks members from within the namespace of tenants' traffic, where the agent itself is not: a process of its own, which reads checks from
 * its standard input and writes what came of them, a JSON object a line. It ends with its input, so never outlives the agent.
 */
import { createInterface } from 'node:readline'
import type { Check } from './lvs-file.ts'
import { probe } from './probes.ts'

export interface ProbeOrder {
  number: number
  check: Check
}

export interface ProbeResult {
  number: number
  /** Null: the member is well. */
  failure: string | null
}

export function runProbeProcess(): void {
  const lines = createInterface({ input: process.stdin })
  lines.on('line', (line) => {
    const { number, check } = JSON.parse(line) as ProbeOrder
    void probe(check).then((failure) => {
      process.stdout.write(`${JSON.stringify({ number, failure } satisfies ProbeResult)}\n`)
    })
  })
  lines.on('close', () => process.exit(0))
}
