// Where things are: a point of the lake (x from −1 to 1, z from the pier, 0, towards the horizon) and its place on the screen.

export interface Spot {
  x: number;
  z: number;
}

export interface Place {
  x: number;
  y: number;
  /** How large a thing is there; 1 at the pier on a common phone. */
  scale: number;
}

/** How fast things grow small with the distance. */
const DEPTH = 1.5;
/** The horizon. */
const FAR = 1.25;
const C = 1 / (1 + DEPTH * FAR);

/** Where a cast may go, and where fish live. */
export const SHORE = { left: -0.86, right: 0.86, near: 0.16, far: 0.92 };

export const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
export const mix = (from: number, to: number, t: number): number => from + (to - from) * t;
/** Slow at both ends. */
export const smooth = (t: number): number => {
  const clamped = clamp(t, 0, 1);
  return clamped * clamped * (3 - 2 * clamped);
};
/** The lake is seen from low above it: a step away from the pier is longer than one to the side. */
export const distance = (a: Spot, b: Spot): number => Math.hypot(a.x - b.x, (a.z - b.z) * 1.6);

export const within = ({ x, z }: Spot): Spot => ({
  x: clamp(x, SHORE.left, SHORE.right),
  z: clamp(z, SHORE.near, SHORE.far),
});

export class Lake {
  width = 360;
  height = 640;
  /** Where sky and water meet, and where the pier begins. */
  horizon = 190;
  shore = 540;
  unit = 1;

  resize(width: number, height: number): void {
    this.width = width;
    this.height = height;
    this.horizon = Math.round(height * 0.31);
    this.shore = Math.round(height * 0.88);
    this.unit = clamp(Math.min(width / 390, height / 720), 0.75, 1.6);
  }

  place({ x, z }: Spot): Place {
    const near = (1 / (1 + DEPTH * z) - C) / (1 - C);
    return {
      x: this.width / 2 + x * (this.width / 2) * mix(0.72, 1.06, near),
      y: this.horizon + near * (this.shore - this.horizon),
      scale: this.unit * mix(0.4, 1, near),
    };
  }

  /** The spot of the lake under a point of the screen, as far as a cast goes. */
  spot(px: number, py: number): Spot {
    const near = clamp((py - this.horizon) / (this.shore - this.horizon), 0.02, 1);
    const z = (1 / (near * (1 - C) + C) - 1) / DEPTH;
    const x = (px - this.width / 2) / ((this.width / 2) * mix(0.72, 1.06, near));
    return within({ x, z });
  }
}
