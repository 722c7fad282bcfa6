/** As oslo's bool_from_string: what is not one of these words is false. */
export function isTrueWord(value: string | string[] | undefined): boolean {
  const word = [value ?? ''].flat().at(-1)!.trim().toLowerCase()
  return ['1', 't', 'true', 'on', 'y', 'yes'].includes(word)
}
