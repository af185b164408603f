/** Where the time comes from. Tests and the development server hand in a clock of their own. */
export interface Clock {
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };

/** A clock that development has moved forward by so many milliseconds. */
export const movedClock = (ahead: number): Clock => ({ now: () => new Date(systemClock.now().getTime() + ahead) });
