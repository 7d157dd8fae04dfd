import { isSentinodeError, SentinodeError } from '../errors.js'
import { admit, type ByteBudget, type ShedReason } from './admission.js'
import { Alarm } from './alarm.js'
import { systemClock } from './clock.js'
import { decide } from './decide.js'
import { DurationEstimates } from './estimates.js'
import { ExpiryIndex } from './expiry.js'
import { Instance, type Flight } from './instance.js'
import { silentObserver, type SchedulerObserver, type Stage } from './observer.js'
import { PendingRequest } from './pending.js'
import {
  levelFor,
  queuePolicyFor,
  queueTimeout,
  smallestCompleteBatch,
  type BatchingPolicy,
} from './policy.js'
import { rankOf, RequestQueue } from './queue.js'
import {
  asError,
  cancelled,
  expired,
  outOfService,
  shuttingDown,
  stopped,
  tooFew,
  WAITED,
} from './refusals.js'
import { ReleaseOrder } from './release-order.js'
import type {
  BatchResult,
  BatchRunner,
  Clock,
  Completion,
  Expectation,
  HungRun,
  Outcome,
  SubmitOptions,
} from './types.js'
import { hung, runBound, Watchdog } from './watchdog.js'

export interface SchedulerOptions<P, R> {
  /** From `batchingPolicy`. */
  readonly policy: BatchingPolicy
  /** The copies of the model, at least one. The scheduler is their only user. */
  readonly runners: readonly BatchRunner<P, R>[]
  /** Shared by the schedulers of a daemon. */
  readonly budget: ByteBudget
  readonly observer?: SchedulerObserver
  readonly clock?: Clock
  /** Milliseconds that a run may take; null (the default) for what `runBound` makes of those before it. */
  readonly runTimeout?: number | null
  /** Told when an instance was taken out of service; not to throw. */
  readonly onHung?: (run: HungRun) => void
}

export interface SchedulerStats {
  readonly queuedRequests: number
  readonly queuedBytes: number
  /** Queued, or in a batch that is closed but does not run yet. */
  readonly pendingRequests: number
  /** In a batch, running or not. */
  readonly dispatchedRequests: number
}

/**
 * The way of one model's requests from admission to their answer: a bounded queue, the batching decision
 * (`decide`), and the instances that run the batches. All on one thread; nothing blocks.
 */
export class ModelScheduler<P, R> {
  readonly #options: Required<SchedulerOptions<P, R>>
  readonly #instances: readonly Instance<P, R>[]
  readonly #queue: RequestQueue<PendingRequest<P, R>>
  readonly #expiry: ExpiryIndex<PendingRequest<P, R>>
  readonly #estimates = new DurationEstimates()
  readonly #order: ReleaseOrder | null
  readonly #batchAlarm: Alarm
  readonly #expiryAlarm: Alarm
  readonly #watchdog: Watchdog<Flight<P, R>>
  /** Of runs that hung: the requests whose bytes their instance may still read. */
  readonly #givenUp = new WeakMap<Flight<P, R>, readonly PendingRequest<P, R>[]>()
  #policy: BatchingPolicy
  #state: 'open' | 'draining' | 'closed' = 'open'
  #sequence = 0
  #dispatched = 0
  /** Of batches that failed, in the order of arrival; each is run once more, alone. */
  readonly #again = new Set<PendingRequest<P, R>>()
  readonly #expected = new Set<Expectation>()
  #pumpDeferred = false
  #whenEmpty: (() => void)[] = []

  constructor(options: SchedulerOptions<P, R>) {
    if (options.runners.length === 0)
      throw new SentinodeError('INVALID_OPTION', 'runners: expected at least one, found none')
    this.#options = {
      observer: silentObserver,
      clock: systemClock(),
      runTimeout: null,
      onHung: () => undefined,
      ...options,
    }
    this.#policy = options.policy
    this.#instances = options.runners.map((runner) => new Instance(runner, this.#estimates))
    this.#queue = new RequestQueue(smallestCompleteBatch(options.policy))
    this.#expiry = new ExpiryIndex((request) => !request.answered && request.place !== 'running')
    this.#order = options.policy.preserveOrdering ? new ReleaseOrder() : null
    this.#watchdog = new Watchdog({
      clock: this.#options.clock,
      running: () => this.#instances.flatMap(({ flights }) => flights.slice(0, 1)),
      boundOf: ({ bucket, rows }) => runBound(this.#options.runTimeout, this.#estimates.expect(bucket, rows)),
      onHung: (flight, milliseconds) => this.#retire(flight, milliseconds),
    })
    this.#batchAlarm = new Alarm(this.#options.clock, () => this.#pump())
    this.#expiryAlarm = new Alarm(this.#options.clock, () => this.#expire(this.#options.clock.now()))
  }

  /**
   * Admits a request, or rejects at once. The payload is given to one instance at most, once.
   * @throws SentinodeError (rejection) INVALID_REQUEST, QUEUE_FULL, REQUEST_TOO_LARGE, SHUTTING_DOWN,
   * DEADLINE_EXCEEDED (never run), CANCELLED, or what the instance failed with.
   */
  submit(options: SubmitOptions<P>): Promise<Completion<R>> {
    const submitted = this.#submit(options)
    options.expected?.arrived()
    return submitted
  }

  /**
   * Announces a request whose payload takes long to make (an exam is read first): a drain waits for it, until
   * it was submitted or given up or the drain's deadline comes.
   * @param requests how many will come; Infinity where that is not known yet, until settled
   * @throws SentinodeError SHUTTING_DOWN
   */
  expect(requests = 1): Expectation {
    if (this.#state !== 'open') throw shuttingDown()
    let left = requests
    const expectation: Expectation = {
      settle: () => {
        this.#expected.delete(expectation)
        this.#checkEmpty()
      },
      arrived: () => {
        if (--left === 0) expectation.settle()
      },
    }
    this.#expected.add(expectation)
    return expectation
  }

  #submit(options: SubmitOptions<P>): Promise<Completion<R>> {
    const now = this.#options.clock.now()
    this.#expire(now)
    const level = levelFor(this.#policy, options.priority)
    const refusal = this.#refuse(options, level, now)
    if (refusal) return Promise.reject(refusal)
    return new Promise((resolve, reject) => {
      const timeout = queueTimeout(queuePolicyFor(this.#policy, level), options.timeoutMicroseconds)
      const request = new PendingRequest<P, R>({
        sequence: this.#sequence++,
        payload: options.payload,
        rows: options.rows,
        bytes: options.bytes,
        bucket: options.bucket,
        level,
        rank: rankOf(level, now, this.#policy.priorityAgeingMilliseconds),
        enqueuedAt: now,
        deadline: options.deadline,
        expiry: Math.min(options.deadline, now + timeout),
        ticket: this.#order?.enter() ?? null,
        signal: options.signal,
        resolve,
        reject,
      })
      request.whenAborted(() => this.#cancel(request))
      this.#queue.add(request)
      this.#expiry.add(request)
      this.#options.observer.onEnqueue(options.rows, options.bytes)
      this.#deferPump()
    })
  }

  /**
   * Milliseconds after which `rows` rows that came now would have been run, behind all that waits and runs,
   * by how long batches took lately. It changes nothing and costs a look at the instances, so that it can be
   * asked before a request's body is read; `rows` may then include what others are still sending.
   * 0 where no batch was run yet. No promise: priorities and a batching delay are not counted.
   */
  expectedWait(rows: number): number {
    const now = this.#options.clock.now()
    const held = this.#instances.reduce((sum, instance) => sum + instance.backlog(now), 0)
    const again = [...this.#again].reduce((sum, request) => sum + request.rows, 0)
    const waiting = (this.#queue.rows + again + rows) * this.#estimates.perRow
    return (held + waiting) / Math.max(1, this.#inService())
  }

  stats(): SchedulerStats {
    const held = this.#instances.flatMap((instance) => instance.flights.slice(1))
    return {
      queuedRequests: this.#queue.size,
      queuedBytes: this.#queue.bytes,
      pendingRequests:
        this.#queue.size + this.#again.size + held.reduce((sum, flight) => sum + flight.requests.length, 0),
      dispatchedRequests: this.#dispatched,
    }
  }

  /**
   * Admits no more but what is expected, and answers what was admitted, without waiting for fuller batches. At `deadline` (the
   * clock's milliseconds) the rest is given up, as `close` does.
   * @returns whether everything was answered in time
   */
  async drain(deadline: number): Promise<boolean> {
    if (this.#state === 'open') this.#state = 'draining'
    this.#policy = { ...this.#policy, maxQueueDelayMicroseconds: 0 }
    this.#pump()
    let stopTimer = (): void => undefined
    const late = new Promise<boolean>((resolve) => {
      stopTimer = this.#options.clock.setTimer(deadline, () => resolve(false), 'coarse')
    })
    const inTime = await Promise.race([this.#empty().then(() => true), late])
    stopTimer()
    await this.close()
    return inTime
  }

  /** Rejects what waits and what runs with SHUTTING_DOWN; resolves when no batch is left. Idempotent. */
  async close(): Promise<void> {
    this.#state = 'closed'
    this.#expected.clear()
    this.#batchAlarm.off()
    this.#expiryAlarm.off()
    const dispatched = this.#instances.flatMap((instance) =>
      instance.flights.flatMap((flight) => flight.requests),
    )
    for (const request of [...this.#queue.all(), ...this.#again, ...dispatched]) {
      if (request.answered) continue
      this.#withdraw(request)
      this.#options.observer.onShed('shutting_down')
      request.reject(shuttingDown())
    }
    await this.#empty()
  }

  /** Why a request is not let in, or null; then its bytes are reserved. */
  #refuse(options: SubmitOptions<P>, level: number, now: number): SentinodeError | null {
    const { observer, budget } = this.#options
    const shed = (reason: ShedReason, error: SentinodeError): SentinodeError => {
      observer.onShed(reason)
      return error
    }
    const expected = options.expected !== undefined && this.#expected.has(options.expected)
    if (this.#state === 'closed' || (this.#state === 'draining' && !expected))
      return shed('shutting_down', shuttingDown())
    if (this.#inService() === 0) {
      const error = outOfService()
      observer.onFailed(error, 0)
      return error
    }
    const { rows } = options
    if (!Number.isInteger(rows) || rows < 1 || rows > this.#policy.maxBatchSize) {
      const expected = `expected between 1 and ${this.#policy.maxBatchSize} rows, found ${rows}`
      const error = new SentinodeError('INVALID_REQUEST', expected)
      observer.onFailed(error, 0)
      return error
    }
    if (options.signal?.aborted) {
      observer.onCancelled('admission', 0)
      return cancelled()
    }
    if (options.deadline <= now) {
      observer.onExpired('admission', 0)
      return expired('the deadline had passed when the request arrived; it was not run')
    }
    const refusal = admit(this.#queue, this.#policy, budget, level, options.bytes)
    return refusal && shed(refusal.reason, refusal.error)
  }

  /** Decides once for all requests that this turn of the event loop brings: a burst makes one batch. */
  #deferPump(): void {
    if (this.#pumpDeferred) return
    this.#pumpDeferred = true
    this.#options.clock.defer(() => {
      this.#pumpDeferred = false
      this.#pump()
    })
  }

  #pump(): void {
    const now = this.#options.clock.now()
    this.#expire(now)
    for (let instance = this.#nextInstance(); instance; instance = this.#nextInstance()) {
      // Whoever waits again has waited longest, and is never in a batch with others.
      const [again] = this.#again
      if (again) {
        this.#again.delete(again)
        this.#dispatch(instance, [again], now)
        continue
      }
      const decision = decide(this.#queue, this.#policy, instance.view(), now)
      if (decision.kind === 'wait') {
        this.#batchAlarm.set(decision.until, instance.isIdle ? 'fine' : 'coarse')
        return
      }
      this.#dispatch(instance, decision.batch, now)
    }
    this.#batchAlarm.off()
  }

  #nextInstance(): Instance<P, R> | null {
    let best: Instance<P, R> | null = null
    for (const instance of this.#instances)
      if (instance.hasRoom && (!best || instance.isPreferredTo(best))) best = instance
    return best
  }

  #dispatch(instance: Instance<P, R>, batch: readonly PendingRequest<P, R>[], now: number): void {
    for (const request of batch) this.#queue.remove(request)
    this.#dispatched += batch.length
    const flight = instance.start(batch, now)
    this.#watchdog.wake()
    flight.done.then(
      (result) => this.#land(instance, flight, result),
      (error: unknown) => this.#land(instance, flight, asError(error)),
    )
  }

  #land(instance: Instance<P, R>, flight: Flight<P, R>, done: BatchResult<R> | Error): void {
    const { observer, clock } = this.#options
    const { requests } = flight
    const kept = this.#givenUp.get(flight)
    if (kept) {
      for (const { bytes } of kept) this.#options.budget.release(bytes)
      return
    }
    // Timers are late; whoever expired while it was gathered is told so now, not after its batch has run.
    this.#expire(clock.now())
    const result = done instanceof Error || done.outcomes.length !== requests.length ? null : done
    instance.finish(flight, result)
    this.#dispatched -= requests.length
    if (this.#dispatched === 0) this.#watchdog.rest()
    const error = done instanceof Error ? done : tooFew()
    const outcomes = requests.map((_, index) => result?.outcomes[index] ?? { kind: 'failed' as const, error })
    const ran = outcomes.some(({ kind }) => kind === 'ok')
    const again = new Set(
      ran ? [] : requests.filter((request, index) => this.#mayRunAgain(request, flight, outcomes[index])),
    )
    for (const request of requests) {
      request.cancelRun = null
      if (again.has(request)) this.#runAgain(request)
      else this.#options.budget.release(request.bytes)
    }
    if (again.size > 0) observer.onSplit(again.size)
    this.#pump()
    if (result && result.rows > 0 && (ran || !outcomes.some(({ kind }) => kind === 'failed')))
      observer.onBatch({ requests: requests.length, rows: result.rows, timings: result.timings })
    const now = clock.now()
    for (const [index, request] of requests.entries()) {
      const outcome = outcomes[index]
      if (request.answered || again.has(request) || !outcome) continue
      if (outcome.kind !== 'ok') this.#fail(request, outcome, now)
      else if (result) this.#succeed(request, outcome.result, result, now)
    }
    this.#checkEmpty()
  }

  #inService(): number {
    return this.#instances.reduce((sum, { isRetired }) => sum + (isRetired ? 0 : 1), 0)
  }

  /** A run hangs: its callers are told, what waited behind it goes to other instances, if there are any. */
  #retire(flight: Flight<P, R>, milliseconds: number): void {
    const instance = this.#instances.find(({ flights }) => flights[0] === flight)
    if (!instance) return
    const stage = flight.stage()
    const held = instance.retire()
    const instancesLeft = this.#inService()
    for (const each of held) {
      const moves = each !== flight && instancesLeft > 0
      this.#giveUp(each, moves ? null : each === flight ? hung(milliseconds, stage) : outOfService())
    }
    if (instancesLeft === 0) {
      for (const request of [...this.#queue.all(), ...this.#again]) {
        this.#withdraw(request)
        this.#options.observer.onFailed(outOfService(), this.#options.clock.now() - request.enqueuedAt)
        request.reject(outOfService())
      }
    }
    const { requests, rows } = flight
    this.#options.onHung({
      instance: instance.name,
      stage,
      requests: requests.length,
      rows,
      milliseconds,
      instancesLeft,
    })
    this.#pump()
    if (this.#dispatched === 0) this.#watchdog.rest()
    this.#checkEmpty()
  }

  /** @param error null where its requests are to run elsewhere */
  #giveUp(flight: Flight<P, R>, error: SentinodeError | null): void {
    this.#dispatched -= flight.requests.length
    const kept: PendingRequest<P, R>[] = []
    for (const request of flight.requests) {
      request.cancelRun?.()
      request.cancelRun = null
      if (request.answered || error) kept.push(request)
      else this.#runAgain(request)
      if (!request.answered && error) this.#failWith(request, error)
    }
    this.#givenUp.set(flight, kept)
  }

  /** Whether what its batch failed with may be the doing of another request of the batch. */
  #mayRunAgain(
    request: PendingRequest<P, R>,
    flight: Flight<P, R>,
    outcome: Outcome<R> | undefined,
  ): boolean {
    if (request.answered || flight.requests.length === 1) return false
    if (outcome?.kind === 'failed')
      return !isSentinodeError(outcome.error) || outcome.error.code !== 'INVALID_REQUEST'
    return outcome?.kind === 'cancelled'
  }

  #runAgain(request: PendingRequest<P, R>): void {
    request.waitAgain()
    this.#again.add(request)
    this.#expiry.add(request)
  }

  #succeed(request: PendingRequest<P, R>, result: R, batch: BatchResult<R>, now: number): void {
    const { rows, enqueuedAt, deadline } = request
    const { timings } = batch
    this.#deliver(request, () => {
      const late = now > deadline
      this.#options.observer.onSuccess({ rows, enqueuedAt, finishedAt: now, late, timings })
      request.resolve({ result, batchRows: batch.rows, enqueuedAt, timings })
    })
  }

  #fail(request: PendingRequest<P, R>, outcome: Exclude<Outcome<R>, { kind: 'ok' }>, now: number): void {
    const { observer } = this.#options
    const waited = now - request.enqueuedAt
    if (outcome.kind === 'expired') {
      this.#withdraw(request)
      observer.onExpired('instance', waited)
      request.reject(expired(WAITED.gathered))
      return
    }
    // Its caller has not cancelled it: that would have been its answer.
    this.#failWith(request, outcome.kind === 'failed' ? outcome.error : stopped())
  }

  #failWith(request: PendingRequest<P, R>, error: Error): void {
    const waited = this.#options.clock.now() - request.enqueuedAt
    this.#deliver(request, () => {
      this.#options.observer.onFailed(error, waited)
      request.reject(error)
    })
  }

  /** Answers from a run keep their order where that was promised; what was not run never holds it up. */
  #deliver(request: PendingRequest<P, R>, release: () => void): void {
    if (this.#order && request.ticket) this.#order.finish(request.ticket, release)
    else release()
  }

  /** Takes a request that will get no result out of the queue, its batch and the order of answers. */
  #withdraw(request: PendingRequest<P, R>): Stage {
    const queued = this.#queue.remove(request)
    // What is in a batch keeps its bytes, which the instance reads, until it is done with them.
    if (queued || this.#again.delete(request)) this.#options.budget.release(request.bytes)
    request.cancelRun?.()
    if (this.#order && request.ticket) this.#order.leave(request.ticket)
    return queued ? 'queue' : 'instance'
  }

  #cancel(request: PendingRequest<P, R>): void {
    if (request.answered) return
    const stage = this.#withdraw(request)
    this.#options.observer.onCancelled(stage, this.#options.clock.now() - request.enqueuedAt)
    request.reject(cancelled())
    this.#checkEmpty()
  }

  #expire(now: number): void {
    for (let request = this.#expiry.takeExpired(now); request; request = this.#expiry.takeExpired(now)) {
      const { place } = request
      this.#options.observer.onExpired(this.#withdraw(request), now - request.enqueuedAt)
      request.reject(expired(WAITED[place]))
      this.#checkEmpty()
    }
    this.#expiryAlarm.set(this.#expiry.next(), 'coarse')
  }

  #empty(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenEmpty.push(resolve)
      this.#checkEmpty()
    })
  }

  #checkEmpty(): void {
    if (this.#queue.size > 0 || this.#again.size > 0 || this.#dispatched > 0 || this.#expected.size > 0)
      return
    for (const resolve of this.#whenEmpty.splice(0)) resolve()
  }
}
