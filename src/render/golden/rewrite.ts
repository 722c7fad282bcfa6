/** `npm run golden`: writes every pair's output anew. The diff is to be read. */
import { writeFileSync } from 'node:fs'
import { readPairs } from './pairs.ts'

for (const { name, outputPath, rendered } of readPairs()) {
  writeFileSync(outputPath, rendered)
  console.log(name)
}
