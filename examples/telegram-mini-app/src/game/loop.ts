// One frame after the other, as the screen wants them, and none while nobody looks.

/** A tab that slept is no reason for a leap. */
const LONGEST = 0.05;

export class Loop {
  private handle = 0;
  private last = 0;
  private readonly reasons = new Set<string>();

  constructor(private readonly frame: (dt: number) => void) {}

  /** Runs while there is no reason to pause. */
  pause(reason: string, on: boolean): void {
    if (on) this.reasons.add(reason);
    else this.reasons.delete(reason);
    if (this.paused) {
      cancelAnimationFrame(this.handle);
      this.handle = 0;
    } else if (!this.handle) {
      this.last = performance.now();
      this.handle = requestAnimationFrame(this.step);
    }
  }

  get paused(): boolean {
    return this.reasons.size > 0;
  }

  private readonly step = (now: number): void => {
    const dt = Math.min(LONGEST, Math.max(0, (now - this.last) / 1_000));
    this.last = now;
    this.handle = requestAnimationFrame(this.step);
    this.frame(dt);
  };
}
