/** `npm run generate`: writes every generated file anew. The diff is to be read. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { aCloud } from '../../test/support/cloud.ts'
import { generatedFiles } from './files.ts'

const checkout = fileURLToPath(new URL('../..', import.meta.url))
const { cloud, stop } = await aCloud({ worker: false }).empty()
for (const [path, text] of generatedFiles(cloud.server.announced)) {
  mkdirSync(dirname(join(checkout, path)), { recursive: true })
  writeFileSync(join(checkout, path), text)
  console.log(path)
}
await stop()
