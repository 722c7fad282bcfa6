/** What tests need of a Keystone's administration, the real one's or the embedded one's: users with roles, and their tokens. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { call, passwordLogin } from './embedded-services.ts'

export interface Person {
  id: string
  name: string
  password: string
}

export type Scope = { project: { id: string } } | { domain: { id: string } } | { system: { all: true } }

export class KeystoneAdmin {
  readonly v3: string
  readonly #password: string
  readonly #roles = new Map<string, string>()
  #own: string | undefined

  /** In: the root of /v3 and the password of the user admin. */
  constructor(v3: string, password: string) {
    this.v3 = v3
    this.#password = password
  }

  async login(user: { name: string; password: string }, scope: object | 'unscoped'): Promise<string> {
    const body = passwordLogin(user.name, user.password, scope === 'unscoped' ? { unscoped: {} } : scope)
    const answer = await call('POST', `${this.v3}/auth/tokens`, undefined, body)
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
    return answer.headers.get('x-subject-token')!
  }

  async createProject(): Promise<{ id: string; name: string }> {
    return (await this.#ask('POST', '/projects', { project: { name: `project-${randomUUID()}` } })).project as { id: string; name: string }
  }

  async createDomain(): Promise<{ id: string }> {
    return (await this.#ask('POST', '/domains', { domain: { name: `domain-${randomUUID()}` } })).domain as { id: string }
  }

  /** In the default domain. */
  async createUser(): Promise<Person> {
    const wanted = { name: `user-${randomUUID()}`, password: randomUUID() as string }
    const { id } = (await this.#ask('POST', '/users', { user: wanted })).user as { id: string }
    return { id, ...wanted }
  }

  async assign(user: Person, scope: Scope, roles: string[]): Promise<void> {
    const target = 'project' in scope ? `/projects/${scope.project.id}` : 'domain' in scope ? `/domains/${scope.domain.id}` : '/system'
    for (const role of roles) await this.#ask('PUT', `${target}/users/${user.id}/roles/${await this.#roleId(role)}`)
  }

  /** A new user with these roles there, and a token of his for it. */
  async person(scope: Scope, roles: string[]): Promise<{ user: Person; token: string }> {
    const user = await this.createUser()
    await this.assign(user, scope, roles)
    const [[kind, target]] = Object.entries(scope) as [[string, { id?: string }]]
    // Beside an id Keystone takes no name.
    return { user, token: await this.login(user, { [kind]: target.id === undefined ? target : { id: target.id } }) }
  }

  async remove({ users, projects }: { users: { id: string }[]; projects: { id: string }[] }): Promise<void> {
    for (const { id } of users) await this.#ask('DELETE', `/users/${id}`)
    for (const { id } of projects) await this.#ask('DELETE', `/projects/${id}`)
  }

  async disable(user: Person): Promise<void> {
    await this.#ask('PATCH', `/users/${user.id}`, { user: { enabled: false } })
  }

  async revoke(token: string): Promise<void> {
    const answer = await call('DELETE', `${this.v3}/auth/tokens`, await this.#token(), undefined, { 'x-subject-token': token })
    assert.equal(answer.status, 204)
  }

  async isValid(token: string): Promise<boolean> {
    const answer = await call('GET', `${this.v3}/auth/tokens`, await this.#token(), undefined, { 'x-subject-token': token })
    return answer.status === 200
  }

  #token(): Promise<string> {
    return this.login({ name: 'admin', password: this.#password }, { project: { name: 'admin', domain: { id: 'default' } } })
  }

  async #roleId(name: string): Promise<string> {
    const [known] = this.#roles.has(name) ? [] : ((await this.#ask('GET', `/roles?name=${name}`)).roles as { id: string }[])
    const id = this.#roles.get(name) ?? known?.id ?? ((await this.#ask('POST', '/roles', { role: { name } })).role as { id: string }).id
    this.#roles.set(name, id)
    return id
  }

  async #ask(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    this.#own ??= await this.#token()
    let answer = await call(method, `${this.v3}${path}`, this.#own, body)
    if (answer.status === 401) {
      this.#own = await this.#token()
      answer = await call(method, `${this.v3}${path}`, this.#own, body)
    }
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }
}
