import { describe, expect, it } from 'vitest';
import { isTransfer } from '../../../gateway-core/codec/shell/transfer.js';

describe('transfers that clients start on the far side', () => {
  it.each([
    ['scp -t /tmp/x', 'scp-sink', ['/tmp/x']],
    ['scp -v -r -p -d -t -- dir', 'scp-sink', ['dir']],
    ['scp -rpf a b', 'scp-source', ['a', 'b']],
    ["scp -f 'two words'", 'scp-source', ['two words']],
    ['scp -f ~/x*', 'scp-source', ['~/x*']],
    ['rsync --server -vlogDtpre.iLsfxCIvu . /data/', 'rsync-receiver', ['/data/']],
    ['rsync --server --sender -vlogDtpre.iLsfxCIvu . src dst', 'rsync-sender', ['src', 'dst']],
    ['rsync --server -nre.LsfxCIvu --delete --bwlimit=10 . x', 'rsync-receiver', ['x']],
    ["git-upload-pack 'team/repo.git'", 'git-upload', ['team/repo.git']],
    ["git-receive-pack '/srv/r.git'", 'git-receive', ['/srv/r.git']],
    ["git upload-pack --timeout=5 'r.git'", 'git-upload', ['r.git']],
    ['/usr/lib/openssh/sftp-server', 'sftp-server', []],
  ])('%s is a transfer', (line, kind, paths) => {
    expect(isTransfer(line)).toEqual({ kind, paths });
  });

  it.each([
    'scp -t /tmp/x; rm -rf /',
    'scp -t /tmp/x\nrm -rf /',
    'scp -t /tmp/x # ',
    'scp -t $(rm x)',
    'scp -t "`rm x`"',
    'scp -t $x',
    "scp -t $'x'",
    'scp -t x > y',
    'scp -t x &',
    'scp -t x | sh',
    '(scp -t x)',
    '! scp -t x',
    'time scp -t x',
    'PATH=/tmp scp -t x',
    'a=b scp -t x',
    '/tmp/scp -t x',
    './scp -t x',
    'scp -S /tmp/evil -t x',
    'scp -oProxyCommand=evil -t x',
    'scp -t',
    'scp -t -f x',
    'scp a host:b',
    'scp -t x y',
    'scp -f *',
    'sc\\p',
    'scp() { rm x; }',

    'rsync --server -e evil . x',
    'rsync --server --rsh=evil . x',
    'rsync --server -logDtprse.iLsfxCIvu . x',
    'rsync --server -re.L --log-file=/etc/x . x',
    'rsync --server --daemon .',
    'rsync --server -re.L . --daemon',
    'rsync --server -re.L x',
    'rsync --server -re.L . *',
    'git upload-pack --exec=evil x',
    'git -c core.pager=evil upload-pack x',
    "git-upload-pack -x 'a'",
    "git-upload-pack 'a' 'b'",
    'git-upload-pack',
    'git-shell -c x',
    "scp -f 'a\\' 'b; rm x #'",
    '/usr/lib/openssh/sftp-server -e',
    '/tmp/sftp-server',
    'sftp-server\0',
    '',
    '#',
    'if',
  ])('%j is none: it is judged like any other command', (line) => {
    expect(isTransfer(line)).toBeUndefined();
  });

  it('never throws, whatever it is given', () => {
    for (const line of ['\uD800', '('.repeat(70_000), '"', 'scp -t "', 'scp -t x \\'])
      expect(isTransfer(line)).toBeUndefined();
  });
});
