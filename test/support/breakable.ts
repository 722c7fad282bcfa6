/** A method of a driver, which fails from `break` to `mend`. */
export function breakable<T extends object>(driver: T, method: keyof T) {
  const whole = driver[method]
  return {
    break() {
      driver[method] = (() => Promise.reject(new Error(`${String(method)} was told to fail`))) as T[keyof T]
    },
    mend() {
      driver[method] = whole
    },
  }
}
