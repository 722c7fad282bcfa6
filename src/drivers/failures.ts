/** How tests make a memory driver misbehave: each planned failure strikes one call of its method. */
export class Failures<Method extends string> {
  private readonly planned = new Map<Method, { error: Error; after: boolean }[]>()

  /** `after`: the call has its effect and fails nevertheless, as when an answer is lost. */
  failNext(method: Method, error: Error = new Error(`${method} was told to fail`), options: { after?: boolean } = {}): void {
    this.planned.set(method, [...(this.planned.get(method) ?? []), { error, after: options.after ?? false }])
  }

  async around<T>(method: Method, work: () => T | Promise<T>): Promise<T> {
    const failure = this.planned.get(method)?.shift()
    if (failure !== undefined && !failure.after) throw failure.error
    const result = await work()
    if (failure !== undefined) throw failure.error
    return result
  }
}
