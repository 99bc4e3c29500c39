/**
 * Tells whether a command can be started here, and ends well.
 *
 * @param command Its name.
 * @param arg Its one argument, such as `--version`.
 */
export async function runs(command: string, arg: string): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(command, {
      args: [arg],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch {
    return false;
  }
}
