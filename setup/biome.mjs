// Runs Biome's program for this machine. The package `@biomejs/biome` would do the same, but it names programs for ten kinds of machine, and
// `npm ci` refuses a lock file that was made where a registry does not carry them all.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'

const program = createRequire(import.meta.url).resolve(`@biomejs/cli-linux-${process.arch}/biome`)
process.exit(spawnSync(program, process.argv.slice(2), { stdio: 'inherit' }).status ?? 1)
