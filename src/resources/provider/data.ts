import { invalidOption } from '../../api/faults.ts'

/** In: a profile's data as the client wrote it, and its field. Throws 400. */
export function parsedData(text: string, field: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw invalidOption(text, field)
  }
}
