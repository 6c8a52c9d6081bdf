/**
 * Variables that steer what is found or run: the loader's, the shells', those in which programs look for other programs,
 * for code, for options or for the place of their configuration.
 */
const steering =
  /^(PATH|FPATH|fpath|path|CDPATH|HOME|PWD|OLDPWD|SHELL|IFS|ENV|BASH.*|POSIXLY_CORRECT|SHELLOPTS|ZDOTDIR|PS[0-4]|(READ)?NULLCMD|PROMPT.*|FCEDIT|HIST.*|INPUTRC|TMPDIR|XDG_.*|LD_.*|DYLD_.*|GCONV_PATH|LOCPATH|NLSPATH|GLIBC_.*|MALLOC_.*|PYTHON.*|PERL.*|RUBY.*|GEM_.*|BUNDLE_.*|NODE_.*|npm_.*|NPM_.*|JAVA_.*|_JAVA.*|JDK_.*|CLASSPATH|LUA_.*|PHP.*|TCL.*|GO.*|CARGO_.*|RUST.*|CC|CXX|LD|AS|MAKE.*|CFLAGS|LDFLAGS|GIT_.*|SVN_.*|HG.*|SSH_.*|RSYNC_.*|CVS_.*|.*PAGER|.*EDITOR|VISUAL|BROWSER|LESS.*|MORE|MAN.*|TAR_OPTIONS|TAPE|GREP_.*|GZIP|XZ_.*|ZIPOPT|UNZIP|EXINIT|VIM.*|NVIM.*|EMACS.*|TERMINFO.*|TERMCAP|TERMPATH|OPENSSL_.*|SSL_.*|CURL_.*|WGETRC|.*_proxy|.*_PROXY|SUDO_.*|DBUS_.*|SYSTEMD_.*|DISPLAY|XAUTHORITY|GTK_.*|QT_.*|DOCKER_.*|KUBE.*|AWS_.*|PG.*|PSQL.*|MYSQL.*|ANSIBLE_.*|RES_OPTIONS|HOSTALIASES|LOCALDOMAIN|MAIL.*|PKEXEC_.*|POLKIT_.*|ASAN_.*|_)$/;

/** Variables that programs may be given and that change no more than how they speak. */
const harmless = /^(LANGUAGE|TZ|TERM|NO_COLOR|CLICOLOR|DEBIAN_FRONTEND)$/;

/**
 * Numbers to some shell (`typeset -i` of bash, ksh, mksh and zsh): what is assigned to them is arithmetic there, which
 * runs what stands in `a[$(rm x)]`.
 */
const numbers =
  /^(S?RANDOM|SECONDS|OPTIND|LINENO|COLUMNS|LINES|SHLVL|(BASH|P)PID|PGRP|TMOUT|KEYTIMEOUT|LISTMAX|FUNCNEST|TRY_BLOCK_(ERROR|INTERRUPT)|ERRNO|E?[UG]ID|USER_ID|KSH(EGID|GID|UID)|PIPESTATUS|HISTCMD|HISTSIZE|SAVEHIST|MAILCHECK|JOBMAX|ARGC|TTYIDLE|ZSH_SUBSHELL)$/;

/** Which bytes are one character: `\` is the second half of one in GBK and Big5, so quotes end elsewhere there. */
const characters = /^(LANG|LC_[A-Z]+)$/;
const plainLocale = /^((C|POSIX)?|([a-z]{2,3}(_[A-Z]{2})?|C)\.(UTF-8|utf8)(@\w{1,20})?)$/;

/**
 * Whether setting the variable may change what a program does or which one is found. `exported`: it is given to programs;
 * then only names that are known to be harmless are. Else it stays in the shell, unless its caller had exported it.
 * `value`: what it is set to, where that is written.
 */
export function steersPrograms(name: string, exported: boolean, value?: string): boolean {
  if (numbers.test(name)) return value === undefined || !/^\d{0,10}$/.test(value);
  if (characters.test(name)) return value === undefined || !plainLocale.test(value);
  return exported ? !harmless.test(name) : steering.test(name);
}
