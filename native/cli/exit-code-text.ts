/** Ends every help text. */
export const exitCodeText = `Exit codes
  0    done
  1    something unexpected; of reproduce, also: the runs disagree
  2    the command line was not understood
  3    the image, the question or the question set cannot be used
  4    the model's files are missing, damaged, or of an unknown kind
  5    not enough memory, or the device is not available
  6    a file cannot be written, or is no readable trace
  7    a token method failed, e.g. your own returned a plan that cannot be followed
  130  cancelled with Ctrl-C; what was answered so far is in the trace`;
