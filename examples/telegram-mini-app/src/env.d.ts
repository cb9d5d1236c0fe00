interface ImportMetaEnv {
  /** Where Castline's server is, without a slash at the end. */
  readonly VITE_CASTLINE_URL?: string;
}
