"""Output of a real HAProxy 2.6, recorded, and how it is read."""

from __future__ import annotations

from ansible_collections.surefoot.release.plugins.module_utils.pool.haproxy import read_states, read_stats

STATES = """1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result \
srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr \
srv_agent_addr srv_agent_port
3 shop 1 one 127.0.0.1 2 8 1 1 12 6 3 4 6 0 0 0 - 8001 - 0 0 - - 0
3 shop 2 two 127.0.0.1 0 1 1 1 12 8 2 0 6 0 0 0 - 8002 - 0 0 - - 0

"""
STATS = """# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,weight,
shop,one,1,0,2,1,,1,81,149,,0,,0,0,0,0,DRAIN,1,
shop,two,0,0,0,0,,0,0,0,,0,,0,0,0,0,MAINT,1,
shop,BACKEND,0,0,0,1,200,1,81,149,0,0,,0,0,0,0,UP,2,

"""


def test_states() -> None:
    assert read_states(STATES) == {"one": (8, 2), "two": (1, 0)}
    assert read_states("Can't find backend.\n") == {}
    assert read_states("") == {}


def test_stats() -> None:
    rows = read_stats(STATS)
    assert (rows["shop", "one"]["scur"], rows["shop", "one"]["qcur"], rows["shop", "one"]["status"]) == ("2", "1", "DRAIN")
    assert read_stats("") == {}
