import type { Reporter, SerializedError, TestModule, Vitest } from "vitest/node";

/**
 * Ends a run with one line that a script can read: `N passed, N failed, N skipped`.
 * A file that does not load and an error outside of every test count as one failure each: a run that proves nothing
 * must not say that nothing failed.
 */
export default class ClosingLineReporter implements Reporter {
  #watching = false;

  onInit(vitest: Vitest): void {
    this.#watching = vitest.config.watch;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      let failedTests = 0;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") count.passed += 1;
        else if (state === "failed") failedTests += 1;
        else count.skipped += 1;
      }
      count.failed += failedTests > 0 || module.ok() ? failedTests : 1;
    }
    const line = `\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`;
    if (this.#watching) process.stdout.write(line);
    // The default reporter and the teardown of the run still have something to say: only the exit is surely last.
    else process.once("exit", () => process.stdout.write(line));
  }
}
