/**
 * Loading a thing once, however many want it at the same time.
 *
 * @module
 */

interface Waiter<T> {
  readonly use: (value: T) => void
  readonly fail: (error: unknown) => void
}

interface Flight<T> {
  readonly waiters: Waiter<T>[]
  isForgotten: boolean
}

/**
 * Joins those who ask for the same thing while it is being loaded. All of them use the value in the moment it lands, one
 * after the other, and only then is it handed over to be kept or, if it was forgotten meanwhile, zeroed: so that nobody
 * ever sees a value that was zeroed under his eyes.
 */
export class SharedLoads<T> {
  readonly #flights = new Map<string, Flight<T>>()
  readonly #landed: (id: string, value: T, isForgotten: boolean) => void

  /** `landed` takes over every value that was loaded. */
  constructor(landed: (id: string, value: T, isForgotten: boolean) => void) {
    this.#landed = landed
  }

  /** Waits for a value, loading it if nobody does. `use` must not keep it. Rejects as `load` or `use` does. */
  join<R>(id: string, load: () => Promise<T>, use: (value: T) => R): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      const waiter: Waiter<T> = {
        use: (value) => {
          try {
            resolve(use(value))
          } catch (error) {
            reject(error)
          }
        },
        fail: reject,
      }
      const flight = this.#flights.get(id)
      if (flight === undefined) this.#takeOff(id, load, waiter)
      else flight.waiters.push(waiter)
    })
  }

  /** Whoever asks from now on loads anew; those who wait already get what was asked for. */
  forget(id: string): void {
    const flight = this.#flights.get(id)
    if (flight !== undefined) flight.isForgotten = true
    this.#flights.delete(id)
  }

  /** `forget` for everything that is being loaded. */
  forgetAll(): void {
    for (const id of [...this.#flights.keys()]) this.forget(id)
  }

  #takeOff(id: string, load: () => Promise<T>, first: Waiter<T>): void {
    const flight: Flight<T> = { waiters: [first], isForgotten: false }
    this.#flights.set(id, flight)
    const leave = (): void => {
      if (this.#flights.get(id) === flight) this.#flights.delete(id)
    }
    load().then(
      (value) => {
        leave()
        for (const waiter of flight.waiters) waiter.use(value)
        this.#landed(id, value, flight.isForgotten)
      },
      (error: unknown) => {
        leave()
        for (const waiter of flight.waiters) waiter.fail(error)
      },
    )
  }
}
