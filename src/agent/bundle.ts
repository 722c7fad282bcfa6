import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/**
 * Writes the agent as one file without dependencies, for amphorae, which have neither this checkout nor its packages. It may be named
 * `.mjs`, `.cjs` or `.js`. Inside, Node's modules are taken by `process.getBuiltinModule`: an `import` of them by name evaluates everything they
 * export, lazy parts included, which costs an amphora several MiB and tens of milliseconds (docs/decisions/0003-agent-bundle.md).
 */
export async function bundleAgent(outFile: string): Promise<void> {
  await build({
    entryPoints: [fileURLToPath(new URL('../main/agent.ts', import.meta.url))],
    outfile: outFile,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    banner: { js: '{const require=process.getBuiltinModule,module={};' },
    footer: { js: '}' },
    // Whitespace and syntax only: names stay, for stack traces in an amphora's log.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'silent',
  })
}
