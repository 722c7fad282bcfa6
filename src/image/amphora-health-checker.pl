#!/usr/bin/perl
# amphora-health-checker sctp -t SECONDS ADDRESS PORT: whether something accepts SCTP associations there (RFC 9260): an INIT that is answered by an INIT ACK, and
# then taken back by an ABORT. By a raw socket, so that no association is made and the kernel needs no SCTP. Ends with 0 if so.
use strict;
use Socket qw(AF_INET AF_INET6 SOCK_RAW inet_pton pack_sockaddr_in pack_sockaddr_in6);
use constant { IPPROTO_SCTP => 132, INIT => 1, INIT_ACK => 2, ABORT => 6 };

my ($protocol, $option, $seconds, $address, $port) = @ARGV;
die "usage: amphora-health-checker sctp -t SECONDS ADDRESS PORT\n" unless @ARGV == 5 && $protocol eq 'sctp' && $option eq '-t';
my $is_ipv6 = index($address, ':') >= 0;
my $packed = inet_pton($is_ipv6 ? AF_INET6 : AF_INET, $address) or die "no address: $address\n";

sub crc32c {
    my $crc = 0xffffffff;
    for my $byte (unpack 'C*', $_[0]) {
        $crc ^= $byte;
        $crc = ($crc >> 1) ^ (0x82f63b78 * ($crc & 1)) for 1 .. 8;
    }
    return $crc ^ 0xffffffff;
}

my $source = 20000 + int rand 40000;
my $tag = 1 + int rand 0xfffffffe;

sub packet {
    my ($their_tag, $type, $value) = @_;
    my $head = pack 'nnN', $source, $port, $their_tag;
    my $chunk = pack('CCn', $type, 0, 4 + length $value) . $value;
    return $head . pack('V', crc32c("$head\0\0\0\0$chunk")) . $chunk;
}

# Its signal ends the program, which is a failed check.
alarm $seconds;
socket(my $socket, $is_ipv6 ? AF_INET6 : AF_INET, SOCK_RAW, IPPROTO_SCTP) or die "no raw socket: $!\n";
connect($socket, $is_ipv6 ? pack_sockaddr_in6(0, $packed) : pack_sockaddr_in(0, $packed)) or die "$!\n";
send($socket, packet(0, INIT, pack 'NNnnN', $tag, 65536, 1, 1, 1), 0) or die "$!\n";
while (defined recv($socket, my $answer, 65535, 0)) {
    # IPv4 shows its header.
    $answer = substr $answer, 4 * (15 & ord $answer) unless $is_ipv6;
    next if length $answer < 20;
    my ($from, $to, $verification, $checksum, $type, $flags, $size, $their_tag) = unpack 'nnNNCCnN', $answer;
    next unless $from == $port && $to == $source && $verification == $tag;
    die "refused\n" unless $type == INIT_ACK;
    send $socket, packet($their_tag, ABORT, ''), 0;
    exit 0;
}
die "$!\n";
