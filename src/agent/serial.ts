/** Runs works one after the other, in the order they were given: for requests that change the same thing. */
export class Serial {
  private last: Promise<unknown> = Promise.resolve()

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.last.then(work)
    this.last = result.catch(() => {}) // its caller has the error; the next work is not its concern
    return result
  }
}
