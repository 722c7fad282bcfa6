import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** Writes the agent as one ES module without dependencies, for amphorae, which have neither this checkout nor its packages. */
export async function bundleAgent(outFile: string): Promise<void> {
  await build({
    entryPoints: [fileURLToPath(new URL('../main/agent.ts', import.meta.url))],
    outfile: outFile,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    // Whitespace and syntax only: names stay, for stack traces in an amphora's log.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'silent',
  })
}
